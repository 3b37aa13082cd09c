//! The suite that every store passes: each promise of [`super`], held against a real store.
//!
//! An answer that is unknown is settled by trying again and reading, never by waiting, so the suite
//! passes on a store behind [`super::flaky`] as well. That rests on one fact: repeating a change
//! with the same base applies it at most once. Only an insert in doubt could land after the row it
//! made was deleted, so a row that a check will delete is one whose insert was answered at once.

mod trial;

use std::time::Duration;

use serde_json::{Value, json};

use self::trial::{COUNTS, Trial, change, ensure};
use super::{Change, Fields, Key, Kind, MOST_CHANGES, Outcome, Query, Range, Store, Version};
use crate::time::{Clock, Instant, SystemClock};

/// More keys than any store looks up in one request: Datastore takes 1,000.
const MANY_KEYS: usize = 1200;
/// Tells the age of a row from the age of its last update.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the checks one after another, and puts the promise that was broken before what happened.
macro_rules! hold {
    ($trial:expr, $($promise:ident),+ $(,)?) => {
        $($promise($trial).await.map_err(|what| format!("{}: {what}", stringify!($promise).replace('_', " ")))?;)+
    };
}

/// Holds `store` to its promises, on rows whose ids begin with `scope`, which no earlier run used.
/// They are deleted at the end; rows of a failed check are left for inspection.
pub async fn conformance(store: &dyn Store, scope: &str) -> Result<(), String> {
    let trial = &Trial::new(store, scope);
    hold!(
        trial,
        an_absent_row_is_left_out_of_the_answer,
        an_insert_needs_an_absent_row,
        an_update_needs_the_newest_version,
        a_delete_needs_the_newest_version,
        a_version_never_falls_nor_repeats,
        an_update_replaces_every_field,
        a_read_shows_every_answered_change,
        a_batch_answers_in_order_and_its_rows_are_independent,
        rows_are_read_by_key_and_by_kind_and_none_twice,
        the_first_rows_of_a_range_are_read_in_the_order_of_bytes,
        any_text_is_an_id,
        any_json_is_a_value,
        a_full_batch_and_a_long_read_are_possible,
        concurrent_writers_lose_nothing,
        an_age_never_exceeds_the_truth,
    );
    trial.clean().await
}

async fn an_absent_row_is_left_out_of_the_answer(trial: &Trial<'_>) -> Result<(), String> {
    let found = trial.find(&trial.key("nobody")).await?;
    ensure(found.is_none(), || format!("a row that nobody wrote was read as {found:?}"))
}

async fn an_insert_needs_an_absent_row(trial: &Trial<'_>) -> Result<(), String> {
    let (key, version) = trial.plant(Kind::Probe, "insert", fields("first")).await?;
    ensure(version > Version::ABSENT, || "an inserted row got the version of an absent one".to_owned())?;
    trial.refused(&key, Version::ABSENT, Some(fields("second"))).await?;
    trial.stands(&key, version, &fields("first")).await
}

async fn an_update_needs_the_newest_version(trial: &Trial<'_>) -> Result<(), String> {
    let (key, first) = trial.plant(Kind::Probe, "update", fields("first")).await?;
    let second = trial.applied(&key, first, Some(fields("second"))).await?;
    trial.refused(&key, first, Some(fields("stale"))).await?;
    trial.refused(&key, Version(second.0 + 1), Some(fields("early"))).await?;
    trial.stands(&key, second, &fields("second")).await?;
    trial.applied(&key, second, None).await?;
    trial.refused(&key, second, Some(fields("late"))).await?;
    trial.absent(&key).await
}

async fn a_delete_needs_the_newest_version(trial: &Trial<'_>) -> Result<(), String> {
    let (key, first) = trial.plant(Kind::Probe, "delete", fields("first")).await?;
    let second = trial.applied(&key, first, Some(fields("second"))).await?;
    trial.refused(&key, first, None).await?;
    trial.refused(&key, Version::ABSENT, None).await?;
    trial.stands(&key, second, &fields("second")).await?;
    trial.applied(&key, second, None).await?;
    trial.absent(&key).await
}

async fn a_version_never_falls_nor_repeats(trial: &Trial<'_>) -> Result<(), String> {
    let (key, first) = trial.plant(Kind::Probe, "versions", fields(1)).await?;
    let second = trial.applied(&key, first, Some(fields(2))).await?;
    trial.applied(&key, second, None).await?;
    let third = trial.applied(&key, Version::ABSENT, Some(fields(3))).await?;
    let fourth = trial.applied(&key, third, Some(fields(4))).await?;
    trial.refused(&key, first, Some(fields("of an earlier life"))).await?;
    trial.stands(&key, fourth, &fields(4)).await?;
    ensure(first < second && second < third && third < fourth, || {
        format!("insert, update, delete, insert, update gave {first:?} {second:?} - {third:?} {fourth:?}")
    })
}

async fn an_update_replaces_every_field(trial: &Trial<'_>) -> Result<(), String> {
    let (key, first) = trial.plant(Kind::Probe, "replace", object(json!({"old": 1, "both": 1}))).await?;
    let update = object(json!({"both": 2, "new": 2}));
    let second = trial.applied(&key, first, Some(update.clone())).await?;
    trial.stands(&key, second, &update).await
}

async fn a_read_shows_every_answered_change(trial: &Trial<'_>) -> Result<(), String> {
    let (key, mut version) = trial.plant(Kind::Member, "fresh", fields(0)).await?;
    for round in 1..=COUNTS {
        version = trial.applied(&key, version, Some(fields(round))).await?;
        trial.stands(&key, version, &fields(round)).await?;
        let rows = trial.read(Query { kinds: vec![Kind::Member], ..Query::default() }).await?;
        let seen = rows.get(&key).map(|row| row.version);
        ensure(seen == Some(version), || {
            format!("{version:?} was answered, and a later read of the kind saw {seen:?}")
        })?;
    }
    Ok(())
}

async fn a_batch_answers_in_order_and_its_rows_are_independent(trial: &Trial<'_>) -> Result<(), String> {
    let (stale, first) = trial.plant(Kind::Probe, "batch stale", fields("old")).await?;
    let second = trial.applied(&stale, first, Some(fields("kept"))).await?;
    let (updated, base) = trial.plant(Kind::Probe, "batch updated", fields("old")).await?;
    let (deleted, last) = trial.plant(Kind::Probe, "batch deleted", fields("old")).await?;
    let inserted = trial.key("batch inserted");

    let changes = vec![
        change(&inserted, Version::ABSENT, Some(fields("new"))),
        change(&stale, first, Some(fields("new"))),
        change(&updated, base, Some(fields("new"))),
        change(&deleted, last, None),
    ];
    let outcomes = trial.commit(changes.clone()).await?;
    trial.stands(&stale, second, &fields("kept")).await?;
    for (change, outcome) in changes.iter().zip(outcomes) {
        let row = trial.find(&change.key).await?;
        let applied = row.as_ref().map(|row| &row.fields) == change.fields.as_ref();
        let same_version = |version| row.as_ref().is_none_or(|row| row.version == version);
        let credible = match outcome {
            Outcome::Done(version) => applied && same_version(version),
            Outcome::Conflict => change.key == stale,
            Outcome::Unknown => true,
        };
        ensure(credible, || format!("{change:?} was answered {outcome:?}, and then the row was {row:?}"))?;
    }
    Ok(())
}

async fn rows_are_read_by_key_and_by_kind_and_none_twice(trial: &Trial<'_>) -> Result<(), String> {
    let (member, _) = trial.plant(Kind::Member, "same name", fields("member")).await?;
    let (lease, _) = trial.plant(Kind::Lease, "same name", fields("lease")).await?;
    let (other, _) = trial.plant(Kind::Lease, "another name", fields("other")).await?;
    let expect = async |query: Query, expected: &[&Key]| {
        let rows = trial.read(query.clone()).await?;
        let ours = [&member, &lease, &other].into_iter().filter(|key| rows.contains_key(key));
        let found: Vec<_> = ours.collect();
        ensure(found == expected, || format!("{query:?} found {found:?} instead of {expected:?}"))
    };
    let keys = vec![lease.clone(), lease.clone(), trial.key("nobody")];
    expect(Query { keys: keys.clone(), ..Query::default() }, &[&lease]).await?;
    expect(Query { kinds: vec![Kind::Member], ..Query::default() }, &[&member]).await?;
    expect(Query { keys: keys.clone(), kinds: vec![Kind::Member], ..Query::default() }, &[&member, &lease])
        .await?;
    expect(
        Query { keys, kinds: vec![Kind::Member, Kind::Lease], ..Query::default() },
        &[&member, &lease, &other],
    )
    .await?;
    expect(Query::default(), &[]).await
}

async fn the_first_rows_of_a_range_are_read_in_the_order_of_bytes(trial: &Trial<'_>) -> Result<(), String> {
    let mut planted = Vec::new();
    for name in ["range A", "range a", "range a!", "range é", "range 日"] {
        let key = Key { kind: Kind::Run, ..trial.key(name) };
        trial.applied(&key, Version::ABSENT, Some(fields(name))).await?;
        planted.push(key.id);
    }
    trial.applied(&trial.key("range a"), Version::ABSENT, Some(fields("of another kind"))).await?;
    for (from, to, most, expected) in [
        ("range A", "range z", 9, &planted[..3]),
        ("range A", "range z", 2, &planted[..2]),
        ("range a", "range 日", 9, &planted[1..4]),
        ("range z", "range A", 9, &[]),
        ("range b", "range c", 9, &[]),
    ] {
        let end = |name| trial.key(name).id;
        let range = Range { kind: Kind::Run, from: end(from), to: end(to), most };
        let rows = trial.read(Query { ranges: vec![range], ..Query::default() }).await?;
        let found: Vec<_> = rows.into_keys().map(|key| key.id).collect();
        ensure(found == expected, || format!("{most} rows from {from:?} to {to:?} were {found:?}"))?;
    }
    Ok(())
}

async fn any_text_is_an_id(trial: &Trial<'_>) -> Result<(), String> {
    let longest = "ü".repeat((1000 - trial.scope().len() - "/".len()) / "ü".len());
    let texts = [
        "plain",
        "Plain",
        "plain ",
        " plain",
        "caf\u{e9}",
        "cafe\u{301}",
        "👩‍🚀 🏴‍☠️",
        "مرحبا \u{202e}abc",
        "日本語",
        "it's \"quoted\"",
        "a\\b",
        "line\nbreak\ttab",
        "../../etc/passwd",
        "/",
        "%",
        "%2F",
        "100%_",
        "a;--",
        "null",
        "42",
        "${x}",
        "\u{1}\u{7f}",
        "\u{fffd}\u{10fffd}",
        &longest,
    ];
    let insert = |text: &&str| change(&trial.key(text), Version::ABSENT, Some(fields(*text)));
    let changes: Vec<_> = texts.iter().map(insert).collect();
    trial.settle_all(changes.clone()).await?;
    let by_kind = trial.read(Query { kinds: vec![Kind::Probe], ..Query::default() }).await?;
    for Change { key, fields, .. } in changes {
        for found in [trial.find(&key).await?.as_ref(), by_kind.get(&key)] {
            let held = found.map(|row| &row.fields);
            ensure(held == fields.as_ref(), || format!("the row called {:?} was read as {held:?}", key.id))?;
        }
    }
    Ok(())
}

async fn any_json_is_a_value(trial: &Trial<'_>) -> Result<(), String> {
    let value = object(json!({
        "null": null, "yes": true, "no": false, "zero": 0, "one": 1, "minus": -1, "half": 0.5,
        "least": i64::MIN, "most": i64::MAX, "unsigned": u64::MAX.to_string(),
        "empty": "", "text": "é e\u{301} 👩‍🚀 \"'\\\n\t \u{202e}", "number in text": "42", "long": "x".repeat(10_000),
        "list": [1, "two", null, {"three": 3}], "no list": [],
        "nested": {"deeper": {"deepest": [true, {"end": null}]}}, "no fields": {}, "naïve name": 1,
    }));
    let (key, version) = trial.plant(Kind::Probe, "json", value.clone()).await?;
    trial.stands(&key, version, &value).await
}

async fn a_full_batch_and_a_long_read_are_possible(trial: &Trial<'_>) -> Result<(), String> {
    let keys: Vec<Key> = (0..MANY_KEYS).map(|number| trial.key(&format!("many {number}"))).collect();
    let insert = |key: &Key| change(key, Version::ABSENT, Some(fields(key.id.as_str())));
    for batch in keys.chunks(MOST_CHANGES) {
        trial.settle_all(batch.iter().map(insert).collect()).await?;
    }
    let rows = trial.read(Query { keys: keys.clone(), ..Query::default() }).await?;
    ensure(rows.len() == MANY_KEYS, || format!("{} of {MANY_KEYS} rows were read", rows.len()))?;
    let wrong = rows.values().find(|row| row.fields != fields(row.key.id.as_str()));
    ensure(wrong.is_none(), || format!("a row of a batch holds what another should: {wrong:?}"))
}

async fn concurrent_writers_lose_nothing(trial: &Trial<'_>) -> Result<(), String> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let nought = names.iter().map(|name| ((*name).to_owned(), Value::from(0))).collect();
    let (key, _) = &trial.plant(Kind::Probe, "counters", nought).await?;
    let count = |name| trial.count(key, name);
    tokio::try_join!(
        count("a"),
        count("b"),
        count("c"),
        count("d"),
        count("e"),
        count("f"),
        count("g"),
        count("h"),
    )?;
    let row = trial.find(key).await?.ok_or("the row is gone")?;
    let lost = names.iter().find(|name| row.fields.get(**name) != Some(&Value::from(COUNTS)));
    ensure(lost.is_none(), || format!("each of 8 writers counted to {COUNTS}, which left {:?}", row.fields))
}

async fn an_age_never_exceeds_the_truth(trial: &Trial<'_>) -> Result<(), String> {
    let young = async |key: &Key, sent: Instant| {
        let age = trial.find(key).await?.and_then(|row| row.age).unwrap_or_default();
        let truth = SystemClock.now().since(sent);
        ensure(age <= truth, || format!("a row written at most {truth:?} ago was said to be {age:?} old"))
    };
    let born = SystemClock.now();
    let (key, first) = trial.plant(Kind::Probe, "age", fields("first")).await?;
    young(&key, born).await?;
    tokio::time::sleep(PAUSE).await;
    young(&key, born).await?;
    let changed = SystemClock.now();
    trial.applied(&key, first, Some(fields("second"))).await?;
    young(&key, changed).await
}

fn fields(value: impl Into<Value>) -> Fields {
    Fields::from_iter([("value".to_owned(), value.into())])
}

fn object(value: Value) -> Fields {
    let Value::Object(fields) = value else { unreachable!("{value} is no object") };
    fields
}
