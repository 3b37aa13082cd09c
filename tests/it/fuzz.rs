//! Whatever comes in from outside, nothing panics: ten million random inputs, from a seed.
//!
//! `FUZZ=100 cargo test --release fuzz` runs a hundred times as many.

mod liar;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::Path;

use fastrand::Rng;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tenure::config::{Config, Surroundings};
use tenure::machine::{Incarnation, JobName, Leadership, Machine, RunId};
use tenure::rows::{Cluster, Lease, Member, Run, decode, encode};
use tenure::schedulers::{Cron, Schedule};
use tenure::time::Wall;

use self::liar::Liar;

/// Steps of machines that are lied to, in lives of so many.
const LIVES: u64 = 15_000;
const STEPS: u64 = 400;
/// Rows that are read.
const ROWS: u64 = 300_000;
/// Files that are read.
const FILES: u64 = 10_000;
/// Names and numbers that are read.
const WORDS: u64 = 3_700_000;
/// Expressions that are read, and asked for due times.
const EXPRESSIONS: u64 = 50_000;

/// What is published.
const _: () = assert!(LIVES * STEPS + ROWS + FILES + WORDS + EXPRESSIONS >= 10_000_000);

/// How many times as much as usual is to be done.
fn times() -> u64 {
    std::env::var("FUZZ").map_or(1, |times| times.parse().unwrap())
}

#[test]
fn a_machine_that_is_lied_to_never_panics_nor_leads_beyond_its_horizon() {
    let mut led = 0;
    for seed in 0..LIVES * times() {
        let mut liar = Liar::new(seed);
        for step in 0..STEPS {
            liar.step();
            let (machine, now) = (&liar.machine, liar.now);
            assert!(machine.deadline() > now, "seed {seed}, step {step}: it is due at once for ever");
            for job in &liar.jobs {
                if let Leadership::Leader { until, .. } = machine.leadership(job, now) {
                    let end = until.expect("a lease ends");
                    assert!(end > now && end <= liar.sent + liar.timing.trust(), "seed {seed}, step {step}");
                    led += 1;
                }
            }
            assert!(liar.unanswered() <= Liar::MOST, "seed {seed}, step {step}: it asks without end");
        }
    }
    // Lies that are never believed would show nothing.
    assert!(led > LIVES, "{led}");
}

#[test]
fn any_row_is_read_or_refused() {
    let mut random = Rng::with_seed(1);
    let mut read = 0;
    for _ in 0..ROWS * times() {
        let kinds: [fn(Map<String, Value>) -> bool; 4] =
            [survives::<Cluster>, survives::<Member>, survives::<Lease>, survives::<Run>];
        let row = liar::any_row(&mut random);
        read += u64::from(kinds.iter().any(|kind| kind(row.clone())));
    }
    assert!(read > ROWS / 100, "{read}");
}

/// Whether a row is understood; then it is written as it was read.
fn survives<T: DeserializeOwned + Serialize + PartialEq + Debug>(fields: Map<String, Value>) -> bool {
    let Ok(row) = decode::<T>(fields) else { return false };
    let again: T = decode(encode(&row)).unwrap();
    assert_eq!(again, row);
    true
}

#[test]
fn any_file_is_a_configuration_or_is_explained() {
    let mut random = Rng::with_seed(2);
    let sample = include_str!("fuzz/sample.toml");
    for _ in 0..FILES * times() {
        let text = mangled(sample, 5, &mut random);
        let read = |_: &Path| -> io::Result<String> { Ok(text.clone()) };
        let flags = BTreeMap::new();
        let answer = Config::load(&Surroundings {
            flags: &flags,
            env: &|_| None,
            variables: &[],
            read: &read,
            warden: None,
        });
        if let Err(error) = answer {
            assert!(!error.problems.is_empty());
            for problem in &error.problems {
                assert!(!problem.to_string().is_empty(), "{text}");
            }
        }
    }
}

/// A text of which at most so many pieces are changed, gone, or there twice.
fn mangled(text: &str, most: usize, random: &mut Rng) -> String {
    const PIECES: [&str; 12] =
        ["\"", "[", "]", "{", "=", "\n", "é", "\u{0}", "-1", "1e999", "[[job]]", "99999999999999999999"];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(1..=most) {
        let from = random.usize(..=characters.len());
        let to = (from + random.usize(..12)).min(characters.len());
        let piece = match random.u8(..3) {
            0 => Vec::new(),
            1 => random.choice(PIECES).unwrap_or_default().chars().collect(),
            _ => characters[from..to].repeat(2),
        };
        characters.splice(from..to, piece);
    }
    characters.into_iter().collect()
}

/// Dates on which calendars are odd are among the first that a search comes to.
#[test]
fn any_expression_has_due_times_that_rise_or_is_refused() {
    const SAMPLES: [&str; 8] = [
        "0 3 * * *",
        "*/5 8-17 * * MON-FRI",
        "30 2 29 2 *",
        "0 0 L * *",
        "0 12 15W * *",
        "0 6 * * 5#3",
        "H H(0-7) * * 0~6",
        "*/10 * * * * *",
    ];
    const DUES: usize = 3;
    let zones = ["America/New_York", "Pacific/Apia", "Australia/Lord_Howe"];
    let zones = zones.map(|name| TimeZone::get(name).unwrap());
    let job = JobName::new("job").unwrap();
    let mut random = Rng::with_seed(4);
    let mut read = 0;
    for _ in 0..EXPRESSIONS * times() {
        let text = mangled(random.choice(SAMPLES).unwrap(), 2, &mut random);
        match Cron::new(&text, &job, random.choice(&zones).unwrap().clone()) {
            Err(why) => assert!(!why.is_empty()),
            Ok(cron) => {
                read += 1;
                let mut last = Wall::from_nanos(random.i64(0..i64::MAX / 4));
                for _ in 0..DUES {
                    let Some(next) = cron.next(last) else { break };
                    assert!(next > last, "{text:?} is due at {next} after {last}");
                    last = next;
                }
            }
        }
    }
    assert!(read > EXPRESSIONS / 10, "{read}");
}

#[test]
fn any_word_is_a_name_or_an_id_or_is_refused() {
    let mut random = Rng::with_seed(3);
    for _ in 0..WORDS * times() {
        let length = if random.u8(..20) == 0 { random.usize(..2000) } else { random.usize(..40) };
        let word: String = (0..length).map(|_| liar::any_char(&mut random)).collect();
        if let Ok(name) = JobName::new(&word) {
            assert_eq!(name.as_str(), word);
        }
        for id in [word.parse::<Incarnation>().ok().map(|id| id.0), word.parse::<RunId>().ok().map(|id| id.0)]
        {
            assert!(id.is_none_or(|id| format!("{id:032x}") == word), "{word}");
        }
    }
}
