//! Chat templates, rendered as Hugging Face renders them.
//!
//! # Source
//! `apply_chat_template` of transformers 5, with `continue_final_message=True` for prompts: a mark is put behind
//! the opening of the assistant's message, the conversation is rendered, and the text is cut off at the mark.
//!
//! # Deviations
//! - `strftime_now` answers with a fixed date, so that a prompt is the same on every day.
//! - `{% generation %}`, which marks the assistant's tokens for a trainer, does nothing.

use e2h_core::Prompt;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const NAME: &str = "chat_template";

/// What joins the messages of the small models trained here: single spaces.
pub const PLAIN_TEMPLATE: &str = "{% for message in messages %}{{ message.content }}{% if not loop.last %} {% endif %}{% endfor %}";

/// What marks the end of an unfinished message; the space tells whether the template trims messages.
const OPEN_END: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A compiled chat template with the special tokens that it may name.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// Compiles a template in Jinja.
    ///
    /// ```
    /// use e2h_model::{ChatTemplate, Message};
    /// let source = "{% for m in messages %}<{{ m.role }}> {{ m.content }}\n{% endfor %}";
    /// let template = ChatTemplate::new(source, "", "</s>")?;
    /// let text = template.render_chat(&[Message::new("user", "Hello.")], false)?;
    /// assert_eq!(text.trim(), "<user> Hello.");
    /// # Ok::<(), e2h_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tokenizer`] with the template's line when it does not parse.
    pub fn new(source: &str, bos_token: &str, eos_token: &str) -> Result<Self> {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        let syntax = syntax.trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(failure)?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<Value, _> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        // Templates print today's date in a system message; a fixed one keeps runs reproducible.
        environment.add_function("strftime_now", |_format: String| "26 Jul 2024".to_owned());
        environment.add_filter("tojson", tojson);
        let compiled = without_generation_tags(source);
        environment.add_template_owned(NAME, compiled).map_err(failure)?;
        Ok(Self {
            environment,
            source: source.to_owned(),
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
        })
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a prompt up to the end of its assistant prefix; without a prefix, up to where the assistant begins.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the template fails or drops the assistant's message.
    pub fn render(&self, prompt: &Prompt) -> Result<String> {
        let system = prompt.system.as_deref().map(|content| Message::new("system", content));
        let mut messages: Vec<Message> = system.into_iter().collect();
        messages.push(Message::new("user", &prompt.user));
        if prompt.assistant_prefix.is_empty() {
            return self.render_chat(&messages, true);
        }
        messages.push(Message::new("assistant", &prompt.assistant_prefix));
        self.render_opened(messages)
    }

    /// Renders a conversation; with `add_generation_prompt`, up to where the assistant's answer begins.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the template fails.
    pub fn render_chat(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let template = self.environment.get_template(NAME).map_err(failure)?;
        let messages: Vec<Value> = messages
            .iter()
            .map(|message| {
                context! { role => message.role.as_str(), content => message.content.as_str() }
            })
            .collect();
        template
            .render(context! {
                messages => messages,
                tools => (),
                documents => (),
                bos_token => self.bos_token.as_str(),
                eos_token => self.eos_token.as_str(),
                add_generation_prompt => add_generation_prompt,
            })
            .map_err(failure)
    }

    /// Renders a conversation whose last message goes on: `continue_final_message` of transformers.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the template fails or drops the last message.
    pub fn render_opened(&self, mut messages: Vec<Message>) -> Result<String> {
        let mut opening = String::new();
        if let Some(last) = messages.last_mut() {
            opening = last.content.trim().to_owned();
            last.content.push_str(OPEN_END);
        }
        let mut text = self.render_chat(&messages, false)?;
        match text.rfind(OPEN_END.trim_end()) {
            Some(end) if text.contains(&opening) => {
                let keeps_space = text[end..].starts_with(OPEN_END);
                text.truncate(end);
                if !keeps_space {
                    text.truncate(text.trim_end().len());
                }
                Ok(text)
            }
            _ => Err(Error::Tokenizer(format!(
                "the chat template drops the assistant's message `{opening}`"
            ))),
        }
    }
}

/// The template with `{% generation %}` blocks as plain ones, so that white space around them is treated as before.
fn without_generation_tags(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(len) = rest[start..].find("%}") else { break };
        let (before, tag) = (&rest[..start], &rest[start..start + len]);
        text.push_str(before);
        text.push_str(&match tag[2..].trim_matches(['-', '+', ' ', '\n', '\t']) {
            "generation" => tag.replacen("generation", "if true", 1),
            "endgeneration" => tag.replacen("endgeneration", "endif", 1),
            _ => tag.to_owned(),
        });
        rest = &rest[start + len..];
    }
    text + rest
}

/// JSON as Python's `json.dumps` writes it, without the escapes for HTML that Jinja's own filter adds.
fn tojson(value: &Value, options: Kwargs) -> std::result::Result<String, minijinja::Error> {
    let escaped = minijinja::filters::tojson(value, None, options)?.to_string();
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let plain = [("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ("\\u0027", "'")];
        let (long, short) = match plain.into_iter().find(|(long, _)| rest.starts_with(long)) {
            Some(pair) => pair,
            // A backslash and what it escapes stay together.
            None => (&rest[..2], &rest[..2]),
        };
        text.push_str(short);
        rest = &rest[long.len()..];
    }
    Ok(text + rest)
}

fn failure(error: minijinja::Error) -> Error {
    Error::Tokenizer(format!("chat template: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Prompt {
        Prompt {
            system: Some("Be brief.".to_owned()),
            user: "2 + 2?".to_owned(),
            assistant_prefix: "Let me see.\n<think>".to_owned(),
        }
    }

    #[test]
    fn the_rendering_ends_with_the_assistants_prefix() {
        let chatml = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}";
        let template = ChatTemplate::new(chatml, "", "").expect("a template");
        assert_eq!(
            template.render(&prompt()).expect("rendered"),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n\
             <|im_start|>assistant\nLet me see.\n<think>"
        );
    }

    #[test]
    fn space_behind_the_prefix_stays_unless_the_template_trims() {
        let render = |source: &str| {
            let prompt = Prompt { assistant_prefix: "So: \n".to_owned(), ..prompt() };
            ChatTemplate::new(source, "", "").expect("compiles").render(&prompt).expect("renders")
        };
        assert_eq!(render("{{ messages[-1].content }}!"), "So: \n");
        assert_eq!(render("{{ messages[-1].content | trim }}!"), "So:");
    }

    #[test]
    fn a_prompt_without_a_prefix_ends_where_the_assistant_begins() {
        let source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
        let template = ChatTemplate::new(source, "", "").expect("compiles");
        let prompt = Prompt { assistant_prefix: String::new(), system: None, ..prompt() };
        assert_eq!(template.render(&prompt).expect("renders"), "[user]2 + 2?[assistant]");
    }

    #[test]
    fn generation_tags_mark_and_change_nothing() {
        let source = "{% for m in messages %}\n{%- generation -%}\n {{ m.content }}\n{%- endgeneration %}\n!{% endfor %}{% generation";
        let plain = source.replace("endgeneration", "endif").replace("generation -", "if true -");
        assert_eq!(without_generation_tags(source), plain);
        let template = ChatTemplate::new(&source.replace("{% generation", ""), "", "");
        let messages = [Message::new("user", "a"), Message::new("assistant", "b")];
        let text = template.expect("compiles").render_chat(&messages, false).expect("renders");
        assert_eq!(text, "a!b!");
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let source = "{{ [messages[0].content, 1] | tojson }}";
        let template = ChatTemplate::new(source, "", "").expect("compiles");
        let messages = [Message::new("user", "a < b, 'ö' \\u003c\n")];
        assert_eq!(
            template.render_chat(&messages, false).expect("renders"),
            r#"["a < b, 'ö' \\u003c\n", 1]"#
        );
    }

    #[test]
    fn a_template_may_raise_and_call_python_methods() {
        let template = ChatTemplate::new(
            "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}",
            "<s>",
            "</s>",
        );
        let error = template.expect("compiles").render(&prompt()).expect_err("raises");
        assert!(error.to_string().contains("no system"), "{error}");
        let strips = ChatTemplate::new("{{ messages[-1].content.strip() }}", "", "");
        let text = strips.expect("compiles").render(&prompt()).expect("rendered");
        assert_eq!(text, "Let me see.\n<think>");
    }
}
