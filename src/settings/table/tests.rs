use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn problems_of(text: &str, read: impl FnOnce(&mut Table<'_>)) -> Vec<String> {
    let mut table = Table::parse("p.toml", text).unwrap();
    read(&mut table);
    table.close().iter().map(Problem::to_string).collect()
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let problems = problems_of("# first\n\nfreshnes = \"60m\"\nzzz = 1", |table| {
        table.duration("freshness", SECOND, SECOND..=SECOND * 9);
        table.topic("topic", "t");
    });
    assert_eq!(
        problems,
        ["p.toml:3: unknown key `freshnes`; did you mean `freshness`?", "p.toml:4: unknown key `zzz`"]
    );
}

#[test]
fn all_problems_come_at_once_with_unit_and_range() {
    let text = "a = \"60\"\nb = 99\nc = \"2GiB\"\nd = \"x\"\ne = 1\nf = \"no topic!\"\ng = 2.5\n";
    let problems = problems_of(text, |table| {
        assert_eq!(table.duration("a", SECOND, SECOND..=SECOND * 60), SECOND);
        assert_eq!(table.number("b", "records", 5_u32, 1..=10), 5);
        assert_eq!(table.size("c", 1024, 1..=1 << 30), 1024);
        table.one_of("d", 1, &[("keep", 1), ("purge", 2)]);
        table.texts("e");
        table.topic("f", "t");
        table.number("g", "x", 1_u8, 0..=9);
    });
    assert_eq!(
        problems,
        [
            r#"p.toml:1: `a` = "60" is refused: it takes a duration like "1s" (ms, s, m, h, d), 1s to 1m"#,
            "p.toml:2: `b` = 99 is refused: it takes a whole number of records, 1 to 10",
            r#"p.toml:3: `c` = "2GiB" is refused: it takes a size like "1KiB" (B, KiB, MiB, GiB), 1B to 1GiB"#,
            r#"p.toml:4: `d` = "x" is refused: it takes one of "keep", "purge""#,
            r#"p.toml:5: `e` = 1 is refused: it takes a list of texts, like ["a", "b"]"#,
            r#"p.toml:6: `f` = "no topic!" is refused: it takes a topic's name: 1 to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`"#,
            "p.toml:7: `g` = 2.5 is refused: it takes a whole number of x, 0 to 9",
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let problems = Table::parse("p.toml", "a = 1\nb = \n").unwrap_err();
    assert!(problems.to_string().starts_with("p.toml:2: this is no TOML: "), "{problems}");
    let twice = Table::parse("p.toml", "a = 1\na = 2\n").unwrap_err();
    assert!(twice.to_string().starts_with("p.toml:2: "), "{twice}");
}

#[test]
fn an_integer_that_fits_no_type_is_refused() {
    let problems = problems_of("n = -1\nm = 99999999999999999999", |table| {
        table.number("n", "x", 1_u32, 0..=9);
        table.number("m", "x", 1_u32, 0..=9);
    });
    assert_eq!(problems.len(), 2);
}
