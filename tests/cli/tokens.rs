//! `tokens` and what `show` tells of them.

use serde_json::Value;

use super::kit::Place;

#[test]
fn tokens_are_imported_set_deleted_and_never_shown() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,sekret-1\n2,\n");
    place.run(&["tokens", "import", "t.csv"]).exits(0);
    place.run_with_input(&["tokens", "set", "3"], b"sekret-3\n").exits(0);
    let show = |user: &str, code| place.run(&["show", user, "--output", "json"]).exits(code).lines().remove(0);
    assert_eq!(
        show("1", 0).to_string(),
        r#"{"age_seconds":null,"document":null,"pending_events":0,"resting":false,"token":"present","user_id":1}"#
    );
    assert_eq!(show("2", 1)["token"], "absent");
    assert_eq!(show("3", 0)["token"], "present");
    place.run(&["tokens", "delete", "3"]).exits(0);
    assert_eq!(show("3", 1)["token"], "absent");
    assert!(place.run(&["tokens", "delete", "3"]).exits(1).stderr().contains("user 3 has no row"));
    assert!(place.run(&["tokens", "set", "4"]).exits(1).stderr().contains("holds no token"));

    let changes = place.run(&["replay", "cdc.portal.bytemark_tokens", "--output", "json"]).exits(0);
    assert!(!changes.stdout().contains("sekret"));
    let changes = changes.lines();
    let of = |user: i64, op: &str| {
        let is_it = |change: &&Value| {
            change["value"].as_str().is_some_and(|value| {
                let value: Value = serde_json::from_str(value).unwrap();
                let row = if op == "d" { &value["before"] } else { &value["after"] };
                value["op"] == op && row["user_id"] == user
            })
        };
        changes.iter().filter(is_it).count()
    };
    assert_eq!((of(1, "c"), of(2, "c"), of(3, "c"), of(3, "d")), (1, 1, 1, 1), "{changes:?}");
}

#[test]
fn a_bad_csv_file_is_refused_with_its_line() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,a\nx,sekret\n2,b\n");
    let error = place.run(&["tokens", "import", "t.csv"]).exits(1).stderr();
    assert!(error.contains("t.csv: line 3: the first column is no user id"), "{error}");
    assert!(!error.contains("sekret"));
    place.run(&["show", "1"]).exits(0);
    place.run(&["show", "2"]).exits(1);
    place.write("t.csv", "id,token\n1,a\n");
    assert!(place.run(&["tokens", "import", "t.csv"]).exits(1).stderr().contains("the first line must be"));
}

#[test]
fn tokens_of_a_csv_file_are_trimmed_and_blank_ones_are_none() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1, \n2,\" sekret-2\t\"\n 3 , sekret-3 \n");
    place.run(&["tokens", "import", "t.csv"]).exits(0);
    let stored = |user: &str| place.run(&["show", user, "--output", "json"]).lines().remove(0)["token"].clone();
    assert_eq!([stored("1"), stored("2"), stored("3")], ["absent", "present", "present"]);
    // Trimmed, they are what they already were.
    place.write("t.csv", "user_id,token\n1,\n2,sekret-2\n3,sekret-3\n");
    let again = place.run(&["tokens", "import", "t.csv", "--output", "json"]).exits(0).lines().remove(0);
    assert_eq!(again["unchanged"], 3, "{again}");
}

#[test]
fn columns_in_the_wrong_order_show_no_token() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,a\nSEKRET-TOKEN,2\n");
    let error = place.run(&["tokens", "import", "t.csv"]).exits(1).stderr();
    assert!(error.contains("t.csv: line 3: the first column is no user id: a whole number from 1"), "{error}");
    assert!(!error.contains("SEKRET"), "{error}");
}
