//! Rows as Datastore's entities, there and back: keys, properties, stamps.

use std::collections::HashMap;

use gcloud_sdk::google::datastore::v1;
use gcloud_sdk::prost_types::{NullValue, Timestamp};
use serde_json::{Number, Value, json};
use v1::filter::FilterType;
use v1::key::PathElement;
use v1::key::path_element::IdType;
use v1::property_filter::Operator;
use v1::value::ValueType;

use super::Options;
use crate::stores::{Fields, Key, Kind, Range, Row, UNREADABLE, Version};
use crate::time::Wall;

type Properties = HashMap<String, v1::Value>;

/// What histories stand below.
const HISTORY: &str = "History";

/// Where keys without a path of their own begin.
pub(super) fn partition(options: &Options) -> v1::PartitionId {
    v1::PartitionId {
        project_id: options.project.clone(),
        database_id: options.database.clone(),
        namespace_id: options.namespace.clone(),
    }
}

/// A row's key.
pub(super) fn key(options: &Options, key: &Key) -> v1::Key {
    within(options, vec![root(options, key.kind), step(key.kind.as_str(), &key.id)])
}

/// The query for all rows of a kind.
pub(super) fn all_of(options: &Options, kind: Kind) -> v1::Query {
    query(kind, vec![filter(Operator::HasAncestor, within(options, vec![root(options, kind)]))])
}

/// The query for the first rows of a part of a kind. They come in the order of their keys.
pub(super) fn part_of(options: &Options, range: &Range) -> v1::Query {
    let end = |id: &str| key(options, &Key::new(range.kind, id));
    let filters = vec![
        filter(Operator::HasAncestor, within(options, vec![root(options, range.kind)])),
        filter(Operator::GreaterThanOrEqual, end(&range.from)),
        filter(Operator::LessThan, end(&range.to)),
    ];
    v1::Query { limit: Some(i32::try_from(range.most).unwrap_or(i32::MAX)), ..query(range.kind, filters) }
}

fn query(kind: Kind, filters: Vec<v1::Filter>) -> v1::Query {
    let all = v1::CompositeFilter { op: v1::composite_filter::Operator::And.into(), filters };
    v1::Query {
        kind: vec![v1::KindExpression { name: kind.as_str().to_owned() }],
        filter: Some(v1::Filter { filter_type: Some(FilterType::CompositeFilter(all)) }),
        ..Default::default()
    }
}

/// By key.
fn filter(op: Operator, key: v1::Key) -> v1::Filter {
    let filter = v1::PropertyFilter {
        property: Some(v1::PropertyReference { name: "__key__".to_owned() }),
        op: op.into(),
        value: Some(v1::Value { value_type: Some(ValueType::KeyValue(key)), ..Default::default() }),
    };
    v1::Filter { filter_type: Some(FilterType::PropertyFilter(filter)) }
}

/// The row in an entity; `None` if it is not one of ours. Google's stamps tell its age.
pub(super) fn row(options: &Options, found: v1::EntityResult, read_at: Option<Timestamp>) -> Option<Row> {
    let v1::Entity { key, properties } = found.entity?;
    let [above, below]: [PathElement; 2] = key?.path.try_into().ok()?;
    let Some(IdType::Name(id)) = below.id_type else { return None };
    let kinds = [Kind::Cluster, Kind::Member, Kind::Lease, Kind::Run, Kind::Probe];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == below.kind)?;
    let stamps = read_at.zip(found.update_time).filter(|_| options.emulator.is_none());
    (above == root(options, kind)).then(|| Row {
        key: Key::new(kind, id),
        version: Version(u64::try_from(found.version).unwrap_or_default()),
        age: stamps.map(|(read, updated)| wall(&read).since(wall(&updated))),
        fields: fields(properties),
    })
}

/// Fields as properties, or why there is no such property.
pub(super) fn properties(fields: Fields) -> Result<Properties, String> {
    fields.into_iter().map(|(name, value)| Ok((name, property(value)?))).collect()
}

fn within(options: &Options, path: Vec<PathElement>) -> v1::Key {
    v1::Key { partition_id: Some(partition(options)), path }
}

/// What a row stands below.
fn root(options: &Options, kind: Kind) -> PathElement {
    step(if kind == Kind::Run { HISTORY } else { Kind::Cluster.as_str() }, &options.cluster)
}

fn step(kind: &str, name: &str) -> PathElement {
    PathElement { kind: kind.to_owned(), id_type: Some(IdType::Name(name.to_owned())) }
}

fn wall(stamp: &Timestamp) -> Wall {
    Wall::from_nanos(stamp.seconds.saturating_mul(1_000_000_000).saturating_add(stamp.nanos.into()))
}

/// Nothing is indexed: nobody searches by it, and indexed texts are short.
fn property(value: Value) -> Result<v1::Value, String> {
    let value_type = match value {
        Value::Null => ValueType::NullValue(NullValue::NullValue.into()),
        Value::Bool(value) => ValueType::BooleanValue(value),
        Value::Number(number) => numeral(&number)?,
        Value::String(text) => ValueType::StringValue(text),
        Value::Array(values) => return list(values),
        Value::Object(fields) => {
            ValueType::EntityValue(v1::Entity { key: None, properties: properties(fields)? })
        }
    };
    Ok(v1::Value { value_type: Some(value_type), exclude_from_indexes: true, meaning: 0 })
}

fn numeral(number: &Number) -> Result<ValueType, String> {
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => Ok(ValueType::IntegerValue(integer)),
        (None, Some(large)) => Err(format!("{large} is too large, integers go up to {}", i64::MAX)),
        (None, None) => {
            number.as_f64().map(ValueType::DoubleValue).ok_or_else(|| format!("{number} is no double"))
        }
    }
}

/// It is the values of a list that are not indexed; the list itself must not say so.
fn list(values: Vec<Value>) -> Result<v1::Value, String> {
    if values.iter().any(Value::is_array) {
        return Err("a list cannot hold a list".to_owned());
    }
    let values = values.into_iter().map(property).collect::<Result<_, _>>()?;
    let value_type = Some(ValueType::ArrayValue(v1::ArrayValue { values }));
    Ok(v1::Value { value_type, exclude_from_indexes: false, meaning: 0 })
}

/// What properties hold.
pub(super) fn fields(properties: Properties) -> Fields {
    properties.into_iter().map(|(name, property)| (name, value(property))).collect()
}

/// What a property holds. Types that we never write, but that a hand may have edited in, become an
/// object that names them: no field of ours takes it for its value.
fn value(property: v1::Value) -> Value {
    let foreign = |name: &str| json!({ UNREADABLE: name });
    match property.value_type {
        Some(ValueType::NullValue(_)) => Value::Null,
        Some(ValueType::BooleanValue(value)) => value.into(),
        Some(ValueType::IntegerValue(value)) => value.into(),
        Some(ValueType::DoubleValue(value)) => {
            Number::from_f64(value).map_or_else(|| foreign("double"), Value::Number)
        }
        Some(ValueType::StringValue(text)) => text.into(),
        Some(ValueType::ArrayValue(list)) => list.values.into_iter().map(value).collect(),
        Some(ValueType::EntityValue(entity)) => Value::Object(fields(entity.properties)),
        Some(ValueType::TimestampValue(_)) => foreign("timestamp"),
        Some(ValueType::KeyValue(_)) => foreign("key"),
        Some(ValueType::BlobValue(_)) => foreign("blob"),
        Some(ValueType::GeoPointValue(_)) => foreign("geographical point"),
        None => foreign("nothing"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(emulator: Option<&str>) -> Options {
        Options {
            project: "acme".to_owned(),
            database: "jobs".to_owned(),
            namespace: "eu".to_owned(),
            emulator: emulator.map(str::to_owned),
            cluster: "blue".to_owned(),
            deadline: Duration::from_secs(1),
        }
    }

    fn found(key: v1::Key) -> v1::EntityResult {
        v1::EntityResult {
            entity: Some(v1::Entity { key: Some(key), properties: Properties::new() }),
            version: 7,
            update_time: Some(Timestamp { seconds: 100, nanos: 900_000_000 }),
            ..Default::default()
        }
    }

    const READ_AT: Option<Timestamp> = Some(Timestamp { seconds: 103, nanos: 100_000_000 });

    #[test]
    fn every_plain_value_comes_back_as_it_went() {
        let Value::Object(plain) = json!({
            "null": null, "yes": true, "least": i64::MIN, "most": i64::MAX, "half": 0.5, "one": 1.0,
            "text": "x".repeat(2000), "list": [1, "two", null, {"three": [3]}], "none": [], "empty": {},
        }) else {
            unreachable!()
        };
        assert_eq!(fields(properties(plain.clone()).unwrap()), plain);
    }

    #[test]
    fn what_datastore_cannot_hold_is_refused_before_it_is_sent() {
        assert!(property(json!(u64::MAX)).unwrap_err().contains("too large"));
        assert!(property(json!({"deep": [[1]]})).unwrap_err().contains("a list cannot hold a list"));
    }

    #[test]
    fn nothing_is_indexed() {
        let Some(ValueType::ArrayValue(list)) = property(json!(["x", {"y": 1}])).unwrap().value_type else {
            unreachable!()
        };
        assert!(list.values.iter().all(|value| value.exclude_from_indexes));
    }

    #[test]
    fn a_type_edited_in_by_hand_is_named_and_taken_for_nothing_else() {
        let edited = [
            (Some(ValueType::TimestampValue(Timestamp::default())), "timestamp"),
            (Some(ValueType::BlobValue(vec![1])), "blob"),
            (Some(ValueType::DoubleValue(f64::NAN)), "double"),
            (None, "nothing"),
        ];
        for (value_type, name) in edited {
            let property = v1::Value { value_type, ..Default::default() };
            assert_eq!(value(property), json!({ "unreadable": name }));
        }
    }

    #[test]
    fn only_googles_stamps_tell_an_age() {
        let key = Key::new(Kind::Member, "m");
        for (emulator, age) in [(None, Some(Duration::from_millis(2200))), (Some("localhost:1"), None)] {
            let options = options(emulator);
            let row = row(&options, found(super::key(&options, &key)), READ_AT).unwrap();
            assert_eq!((row.key, row.version, row.age), (key.clone(), Version(7), age));
        }
    }

    #[test]
    fn entities_that_are_not_ours_are_left_out() {
        let options = options(None);
        let ours = key(&options, &Key::new(Kind::Lease, "job"));
        let foreign: [fn(&mut v1::Key); 4] = [
            |key| key.path[0].id_type = Some(IdType::Name("green".to_owned())),
            |key| key.path[1].id_type = Some(IdType::Id(7)),
            |key| key.path[1].kind = "Invoice".to_owned(),
            |key| key.path.push(step(Kind::Lease.as_str(), "below a lease")),
        ];
        for edit in foreign {
            let mut key = ours.clone();
            edit(&mut key);
            assert_eq!(row(&options, found(key.clone()), READ_AT), None, "{key:?}");
        }
    }
}
