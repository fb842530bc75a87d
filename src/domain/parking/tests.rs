use proptest::prelude::*;

use super::*;
use crate::domain::{
    poison::Code,
    record::{Record, Source},
};

fn source(partition: u32, offset: i64, timestamp_ms: i64) -> Source {
    Source { topic: "parkmobile.responses".into(), partition, offset, timestamp_ms }
}

fn record(key: Option<&str>, value: &str) -> Record {
    let key = key.map(|key| Bytes::from(key.to_owned()));
    Record { source: source(3, 7, 1000), key, value: Some(Bytes::from(value.to_owned())), headers: Vec::new() }
}

fn decoded(value: &str) -> ParkingEvent {
    let rules = Rules::new(&["pan".to_owned()]);
    decode(&record(Some("key"), value), &rules, 5).unwrap().unwrap()
}

/// The fields as a JSON object's text.
fn fields(value: &str) -> String {
    StoredEvent::default().with(&decoded(value)).unwrap().fields_json()
}

fn code(value: &str) -> Code {
    decode(&record(None, value), &Rules::new(&[]), 5).unwrap_err().code
}

#[test]
fn the_id_is_the_first_that_is_there() {
    let id = |key: Option<&str>, value: &str| decode(&record(key, value), &Rules::new(&[]), 5).unwrap().unwrap().id;
    assert_eq!(id(Some("k"), r#"{"_id":"a","event_id":"b"}"#), "a");
    assert_eq!(id(Some("k"), r#"{"_id":null,"event_id":"b\u00e9"}"#), "bé");
    assert_eq!(id(Some("k"), r#"{"_id":"","event_id":null}"#), "k");
    assert_eq!(id(Some(""), "{}"), "parkmobile.responses/3/7");
    assert_eq!(id(None, "{}"), "parkmobile.responses/3/7");
    let binary = Record { key: Some(Bytes::from_static(b"\xff")), ..record(None, "{}") };
    assert_eq!(decode(&binary, &Rules::new(&[]), 5).unwrap().unwrap().id, "parkmobile.responses/3/7");
}

#[test]
fn fields_are_kept_as_javascript_reads_them() {
    for (value, expected) in [
        (
            r#" {"card" : "1234", "response":{"b":1.0,"a":[1e21]} , "x":-0} "#,
            r#"{"card":"1234","response":{"b":1,"a":[1e+21]},"x":0}"#,
        ),
        (r#"{"event_id":"e","payload":{"10":1,"9":2},"user_id":42}"#, r#"{"payload":{"9":2,"10":1},"user_id":42}"#),
        (r#"{"_id":"i","event_id":"e"}"#, r#"{"event_id":"e"}"#),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a.b":1,"$c":2,"\u0000":3,"\"":4}"#, r#"{"a.b":1,"$c":2,"�":3,"\"":4}"#),
        (
            r#"{"response":"\ud800","card":null,"http_status":null,"user_id":null}"#,
            r#"{"response":"\ud800","card":null,"http_status":null,"user_id":null}"#,
        ),
        (r#"{"createdAt":1,"updatedAt":2,"__v":3,"stream":4,"response":null}"#, r#"{"response":null}"#),
        ("{}", "{}"),
    ] {
        assert_eq!(fields(value), expected, "{value}");
    }
}

#[test]
fn of_many_fields_the_last_of_equal_names_counts_too() {
    let members: Vec<String> = (0..100).chain(0..50).map(|number| format!("\"f{number}\":{}", number * 2)).collect();
    let event = decoded(&format!("{{\"event_id\":\"e\",\"f7\":1,{}}}", members.join(",")));
    assert_eq!(event.fields.len(), 100);
    assert_eq!((event.fields[0].name.as_str(), &event.fields[0].json[..]), ("f7", &b"14"[..]));
    assert_eq!(event.id, "e");
}

#[test]
fn statuses_are_numbers_where_they_can_be() {
    for (status, expected) in [
        ("200", "200"),
        ("\"200\"", "200"),
        ("\" 404 \"", "404"),
        ("\"1e3\"", "1000"),
        ("\"-0\"", "0"),
        ("\"ECONNABORTED\"", "\"ECONNABORTED\""),
        ("\"\"", "\"\""),
        ("\"Infinity\"", "\"Infinity\""),
        ("\"1e999\"", "\"1e999\""),
        ("500.5", "500.5"),
    ] {
        assert_eq!(fields(&format!("{{\"http_status\":{status}}}")), format!("{{\"http_status\":{expected}}}"));
    }
}

#[test]
fn full_card_numbers_are_masked() {
    for (card, expected) in [
        ("\"4111111111111111\"", "\"411111******1111\""),
        ("4111111111111111", "\"411111******1111\""),
        ("4.111111111111111E15", "\"411111******1111\""),
        ("\"4111 1111-1111 1111\"", "\"411111******1111\""),
        ("\"378282246310005\"", "\"378282*****0005\""),
        ("\"4222222222222\"", "\"422222***2222\""),
        // 19 digits, which JavaScript rounds.
        ("6304000000000000000", "\"630400*********0000\""),
        ("6304000000000000017", "\"6304000000000000017\""),
        ("\"4111111111111112\"", "\"4111111111111112\""),
        ("\"411111******1111\"", "\"411111******1111\""),
        ("1234", "\"1234\""),
        ("12.50", "\"12.5\""),
        ("\"tok_1\"", "\"tok_1\""),
    ] {
        assert_eq!(fields(&format!("{{\"card\":{card}}}")), format!("{{\"card\":{expected}}}"), "{card}");
    }
    let nested = r#"{"response":{"card":4111111111111111,"pan":["x 4111111111111111"],"n":"4111111111111111"}}"#;
    let expected = r#"{"response":{"card":"411111******1111","pan":["x 411111******1111"],"n":"4111111111111111"}}"#;
    assert_eq!(fields(nested), expected);
    assert_eq!(fields(r#"{"pan":6304000000000000000}"#), r#"{"pan":"630400*********0000"}"#);
}

#[test]
fn what_is_no_event_is_told() {
    for (value, expected) in [
        ("", Code::NotJson),
        ("nonsense", Code::NotJson),
        ("{", Code::NotJson),
        (r#"{"a":1"#, Code::NotJson),
        (r#"{"a":01}"#, Code::NotJson),
        ("{} {}", Code::NotJson),
        ("[]", Code::WrongType),
        ("7", Code::WrongType),
        (r#"{"_id":7}"#, Code::WrongType),
        (r#"{"event_id":{}}"#, Code::WrongType),
        (r#"{"card":true}"#, Code::WrongType),
        (r#"{"card":{"n":1}}"#, Code::WrongType),
        (r#"{"http_status":[]}"#, Code::WrongType),
        (r#"{"user_id":"7"}"#, Code::WrongType),
        (r#"{"user_id":0}"#, Code::BadUserId),
        (r#"{"user_id":1.5}"#, Code::BadUserId),
        (r#"{"user_id":9007199254740992}"#, Code::BadUserId),
    ] {
        assert_eq!(code(value), expected, "{value}");
    }
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(code(&deep(DEPTH_MAX)), Code::DocumentTooLarge);
    assert_eq!(decoded(&deep(DEPTH_MAX - 1)).fields.len(), 1);
    let bytes = Record { value: Some(Bytes::from_static(b"{\"a\":\"\xff\"}")), ..record(None, "") };
    assert_eq!(decode(&bytes, &Rules::new(&[]), 5).unwrap_err().code, Code::NotJson);
}

#[test]
fn no_message_repeats_a_value() {
    for value in [r#"{"card":{"number":"4111111111111111"}}"#, r#"{"user_id":4111111111111111.5}"#, "4111111111111111"]
    {
        let poison = decode(&record(None, value), &Rules::new(&[]), 5).unwrap_err();
        assert!(!poison.message.contains("1111"), "{poison}");
    }
}

#[test]
fn tombstones_are_no_events_and_a_record_without_a_time_gets_one() {
    let rules = Rules::new(&[]);
    assert_eq!(decode(&Record { value: None, ..record(None, "") }, &rules, 5), Ok(None));
    assert_eq!(decode(&record(None, " null\n"), &rules, 5), Ok(None));
    let timeless = Record { source: source(0, 0, 0), ..record(None, "{}") };
    assert_eq!(decode(&timeless, &rules, 5).unwrap().unwrap().source.timestamp_ms, 5);
}

#[test]
fn values_lie_where_they_lay() {
    let record = record(None, r#"{"response":{"a":1}}"#);
    let event = decode(&record, &Rules::new(&[]), 5).unwrap().unwrap();
    assert!(record.value.unwrap().as_ptr_range().contains(&event.fields[0].json.as_ptr()));
}

fn event(source: Source, fields: &[(&str, &str)]) -> ParkingEvent {
    let field = |(name, json): &(&str, &str)| Field { name: (*name).to_owned(), json: Bytes::from((*json).to_owned()) };
    ParkingEvent { id: "e".to_owned(), source, fields: fields.iter().map(field).collect() }
}

/// Adds each, and whether it changed something.
fn sum<'e>(events: impl IntoIterator<Item = &'e ParkingEvent>) -> (StoredEvent, Vec<bool>) {
    let mut stored = StoredEvent::default();
    let changed = events.into_iter().map(|event| stored.with(event).map(|next| stored = next).is_some()).collect();
    (stored, changed)
}

#[test]
fn a_later_record_replaces_the_fields_that_it_carries() {
    let first = event(source(0, 1, 10), &[("card", "\"1\""), ("http_status", "500")]);
    let second = event(source(0, 2, 20), &[("http_status", "200"), ("response", "{}")]);
    let (stored, changed) = sum([&first, &second, &first, &second]);
    assert_eq!(changed, [true, true, false, false]);
    assert_eq!(stored.fields_json(), r#"{"card":"1","http_status":200,"response":{}}"#);
    assert_eq!((stored.created_at_ms, stored.updated_at_ms, stored.version), (10, 20, 2));
    let document = r#"{"_id":"e\"","card":"1","http_status":200,"response":{},"createdAt":"1970-01-01T00:00:00.010Z","updatedAt":"1970-01-01T00:00:00.020Z","__v":0}"#;
    assert_eq!(stored.document_json("e\""), document);
    assert_eq!(StoredEvent::fields_in(&stored.fields_json().into()).unwrap(), stored.fields);
}

#[test]
fn a_late_write_adds_only_what_nobody_told_since() {
    let late = event(source(0, 1, 10), &[("card", "\"1\""), ("http_status", "500")]);
    let (stored, changed) = sum([&event(source(0, 2, 20), &[("http_status", "200")]), &late, &late]);
    assert_eq!(changed, [true, true, false]);
    assert_eq!(stored.fields_json(), r#"{"http_status":200,"card":"1"}"#);
    assert_eq!((stored.created_at_ms, stored.updated_at_ms), (10, 20));
}

#[test]
fn in_one_partition_offsets_decide_and_between_them_times() {
    assert!(is_later(&source(0, 2, 5), &source(0, 1, 9)));
    assert!(is_later(&source(1, 1, 9), &source(0, 2, 5)));
    assert!(!is_later(&source(0, 2, 5), &source(1, 1, 9)));
    assert!(is_later(&source(1, 1, 5), &source(0, 2, 5)));
    assert!(!is_later(&source(0, 1, 5), &source(0, 1, 5)));
}

#[test]
fn an_event_of_another_program_gets_what_is_told_and_keeps_the_rest() {
    let names = ["card".to_owned(), "note".to_owned()].into();
    let foreign = Head { names, created_at_ms: Some(5), ..Head::default() };
    let told = event(source(0, 1, 10), &[("card", "\"1\"")]);
    let change = foreign.merge(&told).unwrap();
    assert_eq!((change.created_at_ms, change.updated_at_ms, change.set.len()), (5, 10, 1));
    assert_eq!(change.origins.base, None);
    assert_eq!(change.origins.others.get("card"), Some(&told.source));
}

/// Records of one event in up to three partitions, with times that rise in each.
fn records() -> impl Strategy<Value = Vec<ParkingEvent>> {
    let fields = proptest::collection::btree_map("[a-d]", 0..1000_u32, 0..4);
    proptest::collection::vec((0..3_u32, 0..3_i64, fields), 1..10).prop_map(|records| {
        let mut ends = [(0_i64, 100_i64); 3];
        let place = |(partition, later, fields): (u32, i64, std::collections::BTreeMap<String, u32>)| {
            let (offset, time) = &mut ends[partition as usize];
            (*offset, *time) = (*offset + 1, *time + later);
            let fields = fields.into_iter().map(|(name, value)| Field { name, json: value.to_string().into() });
            ParkingEvent { id: "e".to_owned(), source: source(partition, *offset, *time), fields: fields.collect() }
        };
        records.into_iter().map(place).collect()
    })
}

proptest! {
    /// Zombies, repeats, other orders: the same comes out.
    #[test]
    fn neither_order_nor_repeats_matter(records in records(), order in proptest::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let by_name = |stored: &StoredEvent| {
            let mut fields = stored.fields.clone();
            fields.sort_by(|one, other| one.name.cmp(&other.name));
            (fields, stored.created_at_ms, stored.updated_at_ms)
        };
        let mut sorted: Vec<&ParkingEvent> = records.iter().collect();
        sorted.sort_by(|one, other| if is_later(&one.source, &other.source) { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less });
        let (expected, _) = sum(sorted.iter().copied());
        for field in &expected.fields {
            let last = sorted.iter().rev().find_map(|event| event.fields.iter().find(|it| it.name == field.name));
            prop_assert_eq!(Some(field), last);
        }
        // Any of them any number of times, and all of them in the end.
        let any = order.iter().map(|index| index.get(&records));
        let (stored, _) = sum(any.chain(records.iter().rev()));
        prop_assert_eq!(by_name(&stored), by_name(&expected));
        prop_assert!(records.iter().all(|event| stored.with(event).is_none()));
    }

    /// However a card number is grouped or wrapped, no more of it is kept than what is told of masked ones.
    #[test]
    fn no_full_card_number_is_kept(digits in "[1-9][0-9]{11,17}", gaps in proptest::collection::vec("[ -]{0,2}", 18), wrap in 0..3_u8) {
        let sum: u32 = digits.bytes().rev().enumerate().map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        }).sum();
        let number = format!("{digits}{}", (10 - sum % 10) % 10);
        let grouped: String = number.chars().zip(gaps.iter().map(String::as_str).chain(std::iter::repeat("")))
            .flat_map(|(digit, gap)| std::iter::once(digit).chain(gap.chars())).collect();
        let value = match wrap {
            0 => format!("{{\"card\":{number}}}"),
            1 => format!("{{\"card\":\"{grouped}\"}}"),
            _ => format!("{{\"response\":[{{\"card\":{{\"pan\":\"{grouped}\"}}}}]}}"),
        };
        let kept: String = fields(&value).chars().filter(|c| c.is_ascii_digit() || *c == '*').collect();
        prop_assert_eq!(kept, format!("{}{}{}", &number[..6], "*".repeat(number.len() - 10), &number[number.len() - 4..]));
    }
}
