//! `e2h sample` with a text of one's own: one prompt, a file of prompts, or a conversation.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;

use e2h_core::{
    FinishReason, GenerateRequest, Generation, RootSeed, Sampling, Stream, TokenId, read_jsonl,
};
use e2h_model::{LanguageModel, Message, TextStream};
use serde::Deserialize;
use serde_json::json;

use crate::args::SampleArgs;
use crate::commands::sample::AT_ONCE;
use crate::config::{Config, ModelSection};
use crate::hints::{Failure, Outcome};
use crate::policy;
use crate::progress::{Pieces, Work, out, say};

/// Tokens of an answer where nothing else is asked for.
const ANSWER_TOKENS: usize = 256;

/// What `e2h sample` takes for texts of one's own.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ChatArgs {
    /// Answer this text instead of a task's problem; with --model, the argument without a flag does the same
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Answer every row of a JSONL file: {"prompt": TEXT} or {"messages": [{"role", "content"}, ..]}
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompts: Option<std::path::PathBuf>,
    /// Talk with the model: a line is a message, an empty line starts anew, end of input ends
    #[arg(long, conflicts_with_all = ["prompt", "prompts"])]
    pub chat: bool,
    /// The system message before texts of one's own
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// End an answer at this text (may be given several times)
    #[arg(long = "stop", value_name = "TEXT")]
    pub stops: Vec<String>,
}

impl ChatArgs {
    /// True when a text of one's own is asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.chat || self.prompt.is_some() || self.prompts.is_some()
    }
}

/// One row of a file of prompts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Messages { messages: Vec<Message> },
    Prompt { prompt: String },
}

/// A model that answers.
struct Chat<'a> {
    model: LanguageModel,
    sampling: Sampling,
    seed: RootSeed,
    args: &'a SampleArgs,
}

/// Runs the command on a configuration and the model that it names.
pub(crate) fn run(args: &SampleArgs, config: &Config, base: String) -> Outcome {
    let section = ModelSection { base, ..config.model.clone() };
    let mut model = policy::place(&section)?.policy;
    model.text_mut().set_stops(args.own.stops.clone());
    let sampling = Sampling {
        temperature: args.temperature,
        max_tokens: args.own.max_tokens.unwrap_or(ANSWER_TOKENS).max(1),
        ..config.train.sampling.clone()
    };
    let chat = Chat { model, sampling, seed: RootSeed(config.seed), args };
    match (&args.own.prompts, &args.own.prompt) {
        (Some(file), _) => chat.file(file),
        (None, Some(prompt)) => {
            let messages = chat.opening(prompt);
            chat.one(&messages, 0).map(|_| ())
        }
        (None, None) => chat.talk(),
    }
}

impl Chat<'_> {
    /// The system message, if one is given, and the first message of the user.
    fn opening(&self, prompt: &str) -> Vec<Message> {
        let system = self.args.own.system.as_deref().map(|text| Message::new("system", text));
        system.into_iter().chain([Message::new("user", prompt)]).collect()
    }

    fn tokens(&self, messages: &[Message]) -> Outcome<Vec<TokenId>> {
        let text = self.model.text();
        let rendered = text.template().render_chat(messages, true).map_err(Failure::run)?;
        text.encode(&rendered).map_err(Failure::run)
    }

    /// The rule of drawing, with as many tokens as the context leaves.
    fn sampling(&self, prompt: usize) -> Outcome<Sampling> {
        let context = self.model.engine().config().max_positions;
        match context.checked_sub(prompt) {
            None | Some(0) => Err(Failure::run(format!(
                "the text takes {prompt} tokens, but the model's context is {context} tokens"
            ))
            .hint("shorten it")),
            Some(room) => Ok(Sampling {
                max_tokens: self.sampling.max_tokens.min(room),
                ..self.sampling.clone()
            }),
        }
    }

    /// Answers a conversation, and shows the answer while it grows.
    fn one(&self, messages: &[Message], turn: u64) -> Outcome<String> {
        let prompt = self.tokens(messages)?;
        let sampling = self.sampling(prompt.len())?;
        let shown = Shown::new(self.model.text().stream(), !self.args.json);
        let text = self.model.text();
        let rule = |tokens: &[TokenId]| {
            let end = text.stop(tokens);
            shown.take(tokens, end);
            end
        };
        let streams = vec![self.stream(turn)];
        let request = vec![GenerateRequest { prompt, streams }];
        let answers = self.model.engine().generate(request, &sampling, &rule);
        let answer = answers.map_err(Failure::run)?.into_iter().flatten().next();
        let answer = answer.ok_or_else(|| Failure::run("the model gave no answer"))?;
        let completion = text.decode_completion(&answer.tokens).map_err(Failure::run)?;
        shown.finish(&completion);
        if self.args.json {
            out(&line(messages, &completion, &answer));
        }
        Ok(completion)
    }

    fn stream(&self, index: u64) -> Stream {
        self.seed.stream("sample/own", &[index])
    }

    /// Answers the rows of a file, many together.
    fn file(&self, file: &Path) -> Outcome {
        let rows: Vec<Row> = read_jsonl(file).map_err(|error| {
            Failure::usage(policy::chain(&error)).hint(
                "a row is {\"prompt\": TEXT} or {\"messages\": [{\"role\", \"content\"}, ..]}",
            )
        })?;
        let rows: Vec<Vec<Message>> = rows
            .into_iter()
            .map(|row| match row {
                Row::Messages { messages } => messages,
                Row::Prompt { prompt } => self.opening(&prompt),
            })
            .collect();
        let mut requests = Vec::new();
        for (index, messages) in rows.iter().enumerate() {
            let streams = vec![self.stream(index as u64)];
            requests.push(GenerateRequest { prompt: self.tokens(messages)?, streams });
        }
        let longest = requests.iter().map(|request| request.prompt.len()).max().unwrap_or(0);
        let sampling = self.sampling(longest)?;
        let text = self.model.text();
        let rule = |tokens: &[TokenId]| text.stop(tokens);
        let mut work = Work::beside_data(rows.len() as u64, Pieces::Of("answers"));
        let mut requests = requests.into_iter();
        for rows in rows.chunks(AT_ONCE) {
            let together = requests.by_ref().take(AT_ONCE).collect();
            let answers = self.model.engine().generate(together, &sampling, &rule);
            for (messages, answer) in rows.iter().zip(answers.map_err(Failure::run)?.concat()) {
                let completion = text.decode_completion(&answer.tokens).map_err(Failure::run)?;
                match self.args.json {
                    true => out(&line(messages, &completion, &answer)),
                    false => out(&format!("{}\n", completion.trim_end())),
                }
            }
            work.add(rows.len() as u64);
        }
        Ok(())
    }

    /// Answers line after line of stdin.
    fn talk(&self) -> Outcome {
        let terminal = std::io::stdin().is_terminal();
        if terminal {
            say("an empty line starts anew, Ctrl-D ends");
        }
        let mut messages: Vec<Message> = Vec::new();
        let mut turn = 0;
        let mut lines = std::io::stdin().lock().lines();
        loop {
            if terminal {
                let _ = write!(std::io::stderr().lock(), "> ");
            }
            let Some(line) = lines.next() else { return Ok(()) };
            let line = line.map_err(|error| Failure::run(format!("cannot read stdin: {error}")))?;
            if line.trim().is_empty() {
                messages.clear();
                continue;
            }
            match messages.is_empty() {
                true => messages = self.opening(&line),
                false => messages.push(Message::new("user", line)),
            }
            let answer = self.one(&messages, turn)?;
            messages.push(Message::new("assistant", answer));
            turn += 1;
        }
    }
}

fn line(messages: &[Message], completion: &str, answer: &Generation) -> String {
    let (tokens, finish) = (&answer.tokens, answer.finish);
    json!({"messages": messages, "completion": completion, "tokens": tokens, "finish": finish})
        .to_string()
}

/// An answer on its way to stdout.
struct Shown<'a> {
    state: Mutex<Progress<'a>>,
    visible: bool,
}

/// How far an answer is shown.
struct Progress<'a> {
    stream: TextStream<'a>,
    /// Tokens that the stream has taken.
    taken: usize,
    /// Bytes that are shown.
    shown: usize,
}

impl<'a> Shown<'a> {
    fn new(stream: TextStream<'a>, visible: bool) -> Self {
        Self { state: Mutex::new(Progress { stream, taken: 0, shown: 0 }), visible }
    }

    /// Shows what the newest tokens add. The token that ends the answer waits for [`Self::finish`]: some of it may lie
    /// behind a stop string.
    fn take(&self, tokens: &[TokenId], end: Option<FinishReason>) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let last = tokens.len() - usize::from(end.is_some());
        for token in tokens.get(state.taken..last).unwrap_or_default() {
            // What cannot be decoded now is an error of the whole answer later.
            let text = state.stream.push(*token).unwrap_or_default();
            state.shown += text.len();
            self.print(&text);
        }
        state.taken = last;
    }

    /// Shows the rest of the whole answer.
    fn finish(self, completion: &str) {
        let state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.visible {
            let rest = completion.get(state.shown..).unwrap_or_default();
            let _ = writeln!(std::io::stdout().lock(), "{rest}");
        }
    }

    fn print(&self, text: &str) {
        if self.visible && !text.is_empty() {
            let mut stdout = std::io::stdout().lock();
            let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
        }
    }
}
