//! The fields of a row to be judged.

use e2h_core::{Level, Problem};
use serde_json::{Map, Value};

use crate::{blocksworld, countdown};

/// Which fields a task reads, each under the first name that the row has with a value.
struct Fields {
    task: &'static str,
    /// Empty where the verdict does not depend on the question.
    question: &'static [&'static str],
    answer: &'static [&'static str],
    solution: &'static [&'static str],
}

/// The tasks whose rows go by other names too; [`PLAIN`] holds for all others.
const FIELDS: [Fields; 5] = [
    Fields {
        task: countdown::NAME,
        question: &["question", "numbers"],
        answer: &["answer", "target"],
        solution: &["solution"],
    },
    Fields {
        task: blocksworld::NAME,
        question: &["question", "init"],
        answer: &["answer", "goal"],
        solution: &["solution", "gold"],
    },
    Fields { task: "math", question: &[], answer: &["answer", "gold"], solution: &["solution"] },
    Fields { task: "gsm8k", question: &[], answer: &["answer", "gold"], solution: &["solution"] },
    Fields {
        task: "aqua",
        question: &[],
        answer: &["correct", "answer", "gold"],
        solution: &["rationale", "solution"],
    },
];

/// The fields of E2H's own rows.
const PLAIN: Fields =
    Fields { task: "", question: &["question"], answer: &["answer"], solution: &["solution"] };

/// The names of an answer text without thought and tags.
const TEXT: [&str; 2] = ["text", "pred"];

/// What a policy said.
pub(super) enum Said {
    /// A whole completion, judged with its format.
    Completion(String),
    /// An answer text, judged alone.
    Answer(String),
}

/// A row whose task is not looked up yet.
pub(super) struct Row {
    pub(super) id: Value,
    pub(super) task: Option<String>,
    fields: Map<String, Value>,
}

impl Row {
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let parsed = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(mut fields) = parsed else {
            return Err("not a JSON object".to_owned());
        };
        let task = match fields.remove("task") {
            None | Some(Value::Null) => None,
            Some(Value::String(task)) => Some(task),
            Some(_) => return Err("`task` is not a text".to_owned()),
        };
        let id = fields.remove("id").unwrap_or(Value::Null);
        Ok(Self { id, task, fields })
    }

    /// The completion.
    pub(super) fn completion(&self) -> Result<&str, String> {
        let completion = self.fields.get("completion").and_then(Value::as_str);
        completion.ok_or_else(|| "`completion` must be a text".to_owned())
    }

    /// The problem, and what was said to it.
    pub(super) fn problem(mut self, task: &str) -> Result<(Problem, Said), String> {
        let known = FIELDS.iter().find(|fields| fields.task == task);
        let names = known.unwrap_or(&PLAIN);
        let said = match (self.text(&["completion"])?, self.text(&TEXT)?) {
            (Some(completion), _) => Said::Completion(completion),
            (None, Some(text)) => Said::Answer(text),
            (None, None) => return Err("no `completion` and no `text`".to_owned()),
        };
        let question = match names.question {
            [] => self.take(&["question", "problem"]).unwrap_or_else(|| "".into()),
            names => self.needed(names)?,
        };
        Ok((
            Problem {
                id: String::new(),
                task: task.to_owned(),
                level: Level(0),
                question,
                answer: self.needed(names.answer)?,
                solution: self.take(names.solution),
                extra: self.fields,
            },
            said,
        ))
    }

    /// Takes the first of `names` that has a value.
    fn take(&mut self, names: &[&str]) -> Option<Value> {
        let mut values = names.iter().filter_map(|name| self.fields.remove(*name));
        values.find(|value| !value.is_null())
    }

    fn needed(&mut self, names: &[&str]) -> Result<Value, String> {
        self.take(names).ok_or_else(|| format!("no `{}`", names.join("` or `")))
    }

    fn text(&mut self, names: &[&str]) -> Result<Option<String>, String> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{}` is not a text", names[0])),
        }
    }
}
