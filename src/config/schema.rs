//! The configuration as a JSON Schema, for editors and checks: made of the lists of keys that the reader itself
//! goes by, with a word on each. What a schema cannot say, as that a grace fits, only `config check` does.

use serde_json::{Map, Value, json};

use super::settings::{self, CONFIG};
use super::{policy, schedule, work};
use crate::schedulers::policy::{Missed, Orphan};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const DURATION: &str = "^([0-9]+(\\.[0-9]{1,9})?(ms|s|m|h|d))+$";
const SIZE: &str = "^[0-9]+(B|KiB|MiB|GiB)$";

/// What a value looks like.
#[derive(Clone, Copy)]
enum Sort {
    Text,
    Number,
    Span,
    Size,
    Choice(&'static [&'static str]),
    List,
    Texts,
    Preacher,
    Command,
    Http,
}

/// What the keys of a job and of its tables mean.
const MEANINGS: &[(&str, Sort, &str)] = &[
    ("name", Sort::Text, "What the job is called, in the store and everywhere"),
    ("every", Sort::Span, "Due at once, then at this fixed rate"),
    ("cron", Sort::Text, "Due by the calendar of its zone: five fields, or six with seconds"),
    ("at", Sort::Text, "Due once"),
    ("while", Sort::Choice(&["leading"]), "Due whenever it does not run, as long as its instance leads"),
    ("zone", Sort::Text, "The time zone, such as Europe/Athens; UTC if not given"),
    ("gap", Sort::Choice(&["run-after", "skip"]), "What becomes of what clocks jump over"),
    ("overlap", Sort::Choice(&["first", "both"]), "What becomes of what clocks show twice"),
    ("jitter", Sort::Span, "From this window its name picks how much later it is due"),
    ("preacher", Sort::Preacher, "The demo: it says something"),
    ("command", Sort::Command, "A program to run, without a shell"),
    ("http", Sort::Http, "A request to send"),
    ("missed", Sort::Choice(&Missed::NAMES), "What becomes of due times that passed while nobody was there"),
    ("missed_within", Sort::Span, "What is older is not made up for"),
    ("on_orphan", Sort::Choice(&Orphan::NAMES), "What becomes of a run whose leader vanished"),
    ("retries", Sort::Number, "How often a run that fails is tried again"),
    ("backoff", Sort::Span, "How long after the first failure; then twice as long each time"),
    ("timeout", Sort::Span, "How long it may take"),
    ("history", Sort::Number, "How many accounts are kept"),
    ("history_within", Sort::Span, "For how long"),
    ("message", Sort::Text, "What is preached"),
    ("times", Sort::Number, "How often"),
    ("pause", Sort::Span, "How long between two lines"),
    ("run", Sort::List, "The program and what it is given"),
    ("dir", Sort::Text, "Where it runs"),
    ("env", Sort::Texts, "Its environment; file:PATH is the content of that file, and secret"),
    ("env_file", Sort::Text, "A file with lines of NAME=value, all of them secret"),
    ("output", Sort::Size, "So much of what it writes is logged in a minute"),
    ("url", Sort::Text, "Where to, such as http://host:port/path"),
    ("method", Sort::Choice(&work::METHODS), "How"),
    ("headers", Sort::Texts, "Headers; file:PATH is the content of that file, and secret"),
    ("body", Sort::Text, "What is sent"),
    ("success", Sort::List, "The answers that mean that it was done, such as 204 or 2xx"),
];

/// The JSON Schema of a configuration file.
pub fn schema() -> Value {
    let (mut outer, mut store) = (Map::new(), Map::new());
    for setting in settings::ALL.iter().filter(|setting| setting.key != CONFIG.key) {
        let sort = match setting.value {
            "DURATION" => Value::from(Sort::Span),
            "PORT" => Value::from(Sort::Number),
            choices if choices.contains('|') => json!({ "enum": choices.split('|').collect::<Vec<_>>() }),
            _ => Value::from(Sort::Text),
        };
        let mut said = with(sort, "description", json!(setting.help));
        if !setting.default.is_empty() {
            said = with(said, "default", json!(setting.default));
        }
        match setting.key.strip_prefix("store.") {
            Some(key) => store.insert(key.to_owned(), said),
            None => outer.insert(setting.key.to_owned(), said),
        };
    }
    outer.insert("store".to_owned(), table(store, &[]));
    outer.insert("job".to_owned(), json!({ "type": "array", "items": job() }));
    let whole = with(table(outer, &[]), "$schema", json!(DIALECT));
    with(whole, "title", json!("The configuration of tenure"))
}

fn job() -> Value {
    let keys = [&["name"], schedule::KEYS, work::KEYS, policy::KEYS].concat();
    let one_of = |keys: &[&str]| {
        let required: Vec<_> = keys.iter().map(|key| json!({ "required": [key] })).collect();
        json!({ "oneOf": required })
    };
    let choices = json!([one_of(&schedule::KINDS), one_of(work::KEYS)]);
    with(table(meanings(&keys), &["name"]), "allOf", choices)
}

/// A table that has these keys and no others.
fn table(properties: Map<String, Value>, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "properties": Value::Object(properties),
        "required": required,
        "additionalProperties": false,
    })
}

fn meanings(keys: &[&str]) -> Map<String, Value> {
    let meaning = |key: &&str| {
        let Some((_, sort, help)) = MEANINGS.iter().find(|(known, ..)| known == key) else {
            unreachable!("every key of a job has a meaning, and {key} has none")
        };
        ((*key).to_owned(), with(Value::from(*sort), "description", json!(help)))
    };
    keys.iter().map(meaning).collect()
}

fn with(mut value: Value, key: &str, said: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert(key.to_owned(), said);
    }
    value
}

impl From<Sort> for Value {
    fn from(sort: Sort) -> Self {
        let text = json!({ "type": ["string", "integer"] });
        let words = json!({ "type": "array", "items": text });
        match sort {
            // A whole number is taken for its digits.
            Sort::Text | Sort::Number => text,
            Sort::Span => json!({ "type": "string", "pattern": DURATION }),
            Sort::Size => json!({ "type": "string", "pattern": SIZE }),
            Sort::Choice(choices) => json!({ "enum": choices }),
            Sort::List => words,
            Sort::Texts => json!({ "type": "object", "additionalProperties": text }),
            Sort::Preacher => table(meanings(&work::PREACHER_KEYS), &["message"]),
            Sort::Command => json!({ "anyOf": [words, table(meanings(&work::COMMAND_KEYS), &["run"])] }),
            Sort::Http => json!({ "anyOf": [text, table(meanings(&work::HTTP_KEYS), &["url"])] }),
        }
    }
}
