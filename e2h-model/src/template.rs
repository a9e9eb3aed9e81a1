//! Chat templates, rendered as Hugging Face renders them.
//!
//! # Source
//! `apply_chat_template(..., continue_final_message=True)` of transformers: the conversation is rendered with
//! the opening of the assistant's message as its last message, and cut off right after it.

use e2h_core::Prompt;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value, context};

use crate::{Error, Result};

const NAME: &str = "chat_template";

/// What joins the messages of the small models trained here: single spaces.
pub const PLAIN_TEMPLATE: &str = "{% for message in messages %}{{ message.content }}{% if not loop.last %} {% endif %}{% endfor %}";

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
        environment.add_template_owned(NAME, source.to_owned()).map_err(failure)?;
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

    /// Renders a prompt up to the end of its assistant prefix.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the template fails or drops the assistant's message.
    pub fn render(&self, prompt: &Prompt) -> Result<String> {
        let message = |role: &str, content: &str| context! { role => role, content => content };
        let system = prompt.system.as_deref().map(|content| message("system", content));
        let rest = [message("user", &prompt.user), message("assistant", &prompt.assistant_prefix)];
        let messages: Vec<Value> = system.into_iter().chain(rest).collect();
        let template = self.environment.get_template(NAME).map_err(failure)?;
        let mut text = template
            .render(context! {
                messages => messages,
                bos_token => self.bos_token.as_str(),
                eos_token => self.eos_token.as_str(),
                add_generation_prompt => false,
            })
            .map_err(failure)?;
        let prefix = prompt.assistant_prefix.trim();
        let Some(start) = text.rfind(prefix) else {
            return Err(Error::Tokenizer(format!(
                "the chat template drops the assistant's message `{prefix}`"
            )));
        };
        text.truncate(start + prefix.len());
        Ok(text)
    }
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
