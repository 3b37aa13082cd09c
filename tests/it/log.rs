//! What a log line looks like.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tenure::log::{Filter, Format, JobOutput, Lines, Style, one_line};
use tenure::machine::{JobName, Term};
use tenure::time::{Clock, Instant, Wall};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Instant {
        Instant::LONG_AGO
    }

    fn wall(&self) -> Wall {
        Wall::from_nanos(1_604_903_149_067_809_800)
    }
}

/// What `work` logs.
fn logged(format: Format, colour: bool, work: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let style = Style { format, application: "tenure".to_owned(), environment: "test".to_owned(), colour };
    let layer = Lines::new(style, Arc::new(Stopped), move |line| {
        kept.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
    let lines = lines.lock().unwrap();
    lines.clone()
}

/// The one line that `work` logs, as JSON.
fn json(work: impl FnOnce()) -> Value {
    let lines = logged(Format::Json, false, work);
    assert_eq!(lines.len(), 1);
    serde_json::from_str(&lines[0]).unwrap()
}

/// The keys of a JSON object, in the order in which they are written.
fn keys(line: &str) -> Vec<String> {
    let object: Value = serde_json::from_str(line).unwrap();
    let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| line.find(&format!("\"{key}\":")).unwrap());
    keys
}

#[test]
fn a_line_begins_with_the_keys_of_the_seed_and_goes_on_with_googles() {
    let here = line!() + 1;
    let work = || tracing::info!(event = "lease.taken", term = 7_u64, "Took it");
    let lines = logged(Format::Json, false, work);
    let start = format!(
        r#"{{"level":"info","message":"Took it","application":"tenure","environment":"test","caller":"tests/it/log.rs:{here}","ts":"1604903149067809800","severity":"INFO","time":"2020-11-09T06:25:49.067809800Z","logging.googleapis.com/sourceLocation":{{"#
    );
    assert!(lines[0].starts_with(&start), "{}", lines[0]);
    assert!(lines[0].ends_with("},\"event\":\"lease.taken\",\"term\":7}\n"), "{}", lines[0]);
}

#[test]
fn a_trace_stands_where_the_seed_has_it() {
    let lines = logged(Format::Json, false, || tracing::info!(event = "x", traceID = "4bf9", "hello"));
    let order =
        ["level", "message", "application", "environment", "caller", "ts", "traceID", "severity", "time"];
    assert_eq!(keys(&lines[0])[..9], order);
}

#[test]
fn levels_have_the_names_of_both_worlds() {
    let lines = logged(Format::Json, false, || {
        tracing::error!("a");
        tracing::warn!("b");
        tracing::info!("c");
        tracing::debug!("d");
    });
    let names: Vec<_> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| format!("{}/{}", line["level"].as_str().unwrap(), line["severity"].as_str().unwrap()))
        .collect();
    assert_eq!(names, ["error/ERROR", "warn/WARNING", "info/INFO", "debug/DEBUG"]);
}

#[test]
fn numbers_and_truths_stay_what_they_are() {
    let line =
        json(|| tracing::info!(most = u64::MAX, least = i64::MIN, yes = true, part = 0.5, none = f64::NAN));
    assert_eq!(line["most"], Value::from(u64::MAX));
    assert_eq!(line["least"], Value::from(i64::MIN));
    assert_eq!(
        (&line["yes"], &line["part"], &line["none"]),
        (&Value::from(true), &Value::from(0.5), &Value::Null)
    );
    assert_eq!(line["message"], "");
}

#[test]
fn fields_of_the_spans_around_an_event_are_its_own_the_innermost_winning() {
    let line = json(|| {
        let outer =
            tracing::info_span!("node", node = "boring_morse5", job = "none", late = tracing::field::Empty);
        let outer = outer.entered();
        outer.record("late", 1);
        let _job = tracing::info_span!("job", job = "go_preacher").entered();
        tracing::info!(term = 3_u64, "Leading");
    });
    let fields = ["node", "job", "late", "term"].map(|field| line[field].to_string());
    assert_eq!(fields, ["\"boring_morse5\"", "\"go_preacher\"", "1", "3"]);
}

#[test]
fn no_field_replaces_a_fixed_key() {
    let line = json(|| tracing::info!(level = "fatal", ts = 1, severity = "NONE", caller = "me", "x"));
    assert_eq!((&line["level"], &line["field.level"]), (&Value::from("info"), &Value::from("fatal")));
    assert_eq!((&line["ts"], &line["field.ts"]), (&Value::from("1604903149067809800"), &Value::from(1)));
    assert_eq!((&line["severity"], &line["field.severity"]), (&Value::from("INFO"), &Value::from("NONE")));
    assert_eq!(line["field.caller"], "me");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot renew")]
    struct Renewal(#[source] fmt::Error);
    let error: &(dyn Error + 'static) = &Renewal(fmt::Error);
    let line = json(|| tracing::warn!(error, "Trying again"));
    assert_eq!(line["error"], format!("cannot renew: {}", fmt::Error));
}

#[test]
fn any_text_makes_exactly_one_line() {
    for text in ["a\nb", "\u{0}\u{1b}[2J", "\"}\n{\"", "\u{2028}\u{85}", "日本\r", "\u{feff}", ""] {
        for format in [Format::Json, Format::Gcp, Format::Text] {
            let lines = logged(format, false, || tracing::info!(text, "{text}"));
            assert_eq!((lines.len(), lines[0].matches('\n').count()), (1, 1), "{text:?}");
            assert!(!lines[0].trim_end_matches('\n').contains(|c: char| c.is_ascii_control()), "{text:?}");
        }
        assert_eq!(json(|| tracing::info!(text, "{text}"))["text"], text);
        assert!(!one_line(text).contains(char::is_control));
    }
}

#[test]
fn google_is_given_its_own_keys_only() {
    let lines =
        logged(Format::Gcp, false, || tracing::warn!(event = "x", traceID = "projects/p/traces/1", "hello"));
    let google = |key| format!("logging.googleapis.com/{key}");
    let [place, labels, trace] = ["sourceLocation", "labels", "trace"].map(google);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    let mut keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut expected = ["severity", "message", "time", &place, &labels, &trace, "event"];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(
        (&line["severity"], &line[labels]["environment"]),
        (&Value::from("WARNING"), &Value::from("test"))
    );
}

#[test]
fn people_read_a_plain_line_and_see_colours_only_on_request() {
    let work = || tracing::info!(job = "go preacher", term = 7_u64, node = "boring_morse5", "Took it");
    let plain = "2020-11-09T06:25:49.067Z  INFO Took it job=\"go preacher\" term=7 node=boring_morse5\n";
    assert_eq!(logged(Format::Text, false, work), [plain]);
    assert!(logged(Format::Text, true, work)[0].contains("\u{1b}[32m INFO\u{1b}[0m Took it"));
}

#[test]
fn what_a_job_says_is_an_event_with_its_job_and_term() {
    let line = json(|| JobOutput::Json.say(&JobName::new("日本").unwrap(), Term(4), "Go \"is\"\nbest"));
    let fields = ["event", "job", "term", "message"].map(|field| line[field].clone());
    assert_eq!(fields, ["job.output".into(), "日本".into(), 4.into(), Value::from("Go \"is\"\nbest")]);
}

#[test]
fn filters_are_checked_before_they_are_used() {
    for good in ["info", "debug,tenure::drive=trace", "off", "warn,h2=trace"] {
        assert!(Filter::new(good).is_ok(), "{good}");
    }
    assert!(Filter::new("tenure=loud").is_err());
}
