//! `hash`.

use super::kit::Place;

#[test]
fn hashes_are_those_of_json_stringify() {
    let place = Place::new();
    place.write("a.json", "{ \"b\" : 1.0, \"2\": [\"\\u0041\\/\"], \"1\": 1e21 }");
    place.write("empty.json", "{}\n");
    place.write("bad.json", "{\"token\":\"sekret\",}");
    let ran = place.run(&["hash", "a.json", "empty.json"]).exits(0);
    // MD5 of {"1":1e+21,"2":["A/"],"b":1} and of {}.
    assert_eq!(
        ran.stdout(),
        "36d978209024edd737a6e887ecd5ed65  a.json\n99914b932bd37a50b983c5e7c90ae93b  empty.json\n"
    );
    let ran = place.run(&["hash", "--canonical", "a.json"]).exits(0);
    assert_eq!(ran.stdout(), r#"{"1":1e+21,"2":["A/"],"b":1}"#);
    let ran = place.run(&["hash", "bad.json", "missing.json", "empty.json"]).exits(1);
    assert_eq!(ran.stdout(), "99914b932bd37a50b983c5e7c90ae93b  empty.json\n");
    assert!(ran.stderr().contains("bad.json: this is no JSON") && ran.stderr().contains("missing.json: "));
    assert!(!ran.stderr().contains("sekret"));
    for args in [&["hash"] as &[&str], &["hash", "-"]] {
        let ran = place.run_with_input(args, b" {} ").exits(0);
        assert_eq!(ran.stdout(), "99914b932bd37a50b983c5e7c90ae93b  -\n");
    }
}
