//! The JSON Schema of the configuration: it says what the reader says.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::tidy::read;

/// As much of a validator as the schema needs. Where it is wrong.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut fault = |what: &str| wrong.push(format!("{at} {what}"));
    let is = |sort: &Value| match sort.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let sort = &schema["type"];
    let fits = sort.as_array().map_or_else(|| sort.is_null() || is(sort), |sorts| sorts.iter().any(is));
    if !fits {
        fault(&format!("is no {sort}"));
    }
    if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
        fault("is none of the choices");
    }
    let count = |schemas: &Value| {
        let schemas = schemas.as_array().unwrap().iter();
        schemas.filter(|schema| faults(schema, value, at).is_empty()).count()
    };
    if schema["oneOf"].is_array() && count(&schema["oneOf"]) != 1 {
        fault("is not one of them");
    }
    if schema["anyOf"].is_array() && count(&schema["anyOf"]) == 0 {
        fault("is nothing of it");
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().unwrap()).is_none() {
            fault(&format!("lacks {required}"));
        }
    }
    for all in schema["allOf"].as_array().into_iter().flatten() {
        wrong.extend(faults(all, value, at));
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        match (&schema["properties"][key], &schema["additionalProperties"]) {
            (known @ Value::Object(_), _) => wrong.extend(faults(known, inner, &at)),
            (_, Value::Bool(false)) => wrong.push(format!("{at} is unknown")),
            (_, others) => wrong.extend(faults(others, inner, &at)),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(faults(&schema["items"], item, &format!("{at}[{index}]")));
    }
    wrong
}

fn judged(text: &str) -> Vec<String> {
    faults(&tenure::config::schema(), &toml::from_str(text).unwrap(), "file")
}

/// Every example of the README that is a configuration, and the one that fuzzing starts from.
fn examples() -> Vec<String> {
    let readme = read("README.md");
    let blocks = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.chain([include_str!("fuzz/sample.toml").to_owned()]).collect()
}

#[test]
fn every_example_keeps_to_the_schema_and_a_key_with_a_slip_does_not() {
    assert!(examples().len() >= 3);
    for example in examples() {
        assert_eq!(judged(&example), [""; 0], "{example}");
        let keys = example.lines().filter_map(|line| Some(line.split_once('=')?.0.trim()));
        for key in
            keys.filter(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        {
            let slip = example.replacen(&format!("{key} "), &format!("{key}x "), 1);
            assert_ne!(judged(&slip), [""; 0], "{slip}");
        }
    }
    for wrong in [
        "failover = true",
        "balance = \"sideways\"",
        "[store]\nkind = \"paper\"",
        "[[job]]\nname = \"a\"\nevery = \"1m\"",
        "[[job]]\nname = \"a\"\nevery = \"1m\"\ncron = \"* * * * *\"\nhttp = \"http://x\"",
        "[[job]]\nevery = \"1m\"\nhttp = \"http://x\"",
        "[[job]]\nname = \"a\"\nevery = \"1m\"\nhttp = { method = \"PUT\" }",
        "[[job]]\nname = \"a\"\nevery = \"1m\"\ncommand = { run = \"x\" }",
    ] {
        assert_ne!(judged(wrong), [""; 0], "{wrong}");
    }
}

/// Where the schema offers choices, what is none of them is refused with just these.
#[test]
fn the_schema_and_the_reader_know_the_same_choices() {
    let schema = tenure::config::schema();
    let mut met = 0;
    let fleet = Fleet::of("2s", "");
    let mut refused = |text: &str, choices: &Value| {
        fs::write(fleet.path("tenure.toml"), text).unwrap();
        let said = fleet.ask(&["config", "check"]);
        let choices: Vec<_> = choices.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        assert!(said.contains(&format!("write one of: {}", choices.join(", "))), "{text}: {said}");
        met += 1;
    };
    for (key, said) in schema["properties"].as_object().unwrap() {
        if said["enum"].is_array() {
            refused(&format!("{key} = \"~~~~\"\n"), &said["enum"]);
        }
    }
    let job = &schema["properties"]["job"]["items"]["properties"];
    for (key, said) in job.as_object().unwrap().iter().filter(|(_, said)| said["enum"].is_array()) {
        let when = match &**key {
            "while" => "",
            "gap" | "overlap" => "cron = \"* * * * *\"\n",
            _ => "every = \"1m\"\n",
        };
        let text = format!("[[job]]\nname = \"a\"\nhttp = \"http://x\"\n{when}{key} = \"~~~~\"\n");
        refused(&text, &said["enum"]);
    }
    let methods = &job["http"]["anyOf"][1]["properties"]["method"]["enum"];
    let http = "http = { url = \"http://x\", method = \"~~~~\" }";
    refused(&format!("[[job]]\nname = \"a\"\nevery = \"1m\"\n{http}\n"), methods);
    assert!(met >= 9, "{met}");
}

#[test]
fn the_program_prints_the_schema() {
    let fleet = Fleet::of("2s", "");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tenure"))
        .args(["config", "schema"])
        .current_dir(Path::new(&fleet.path(".")))
        .output()
        .unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, tenure::config::schema());
    assert_eq!(printed["properties"]["failover"]["default"], json!("10s"));
}
