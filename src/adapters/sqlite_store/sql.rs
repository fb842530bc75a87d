//! Statement texts with a row of parameters for each thing, and lists as one parameter.

use std::fmt::Write as _;

/// `before`, then `(?,?...)` with `columns` marks for each of `rows` rows, then `after`. Callers pass few different
/// row counts, so that the texts stay in the statement cache.
pub(crate) fn for_rows(before: &str, rows: usize, columns: usize, after: &str) -> sqlx::AssertSqlSafe<String> {
    let mut row = "(?".to_owned();
    row.push_str(&",?".repeat(columns.saturating_sub(1)));
    row.push(')');
    let mut text = String::with_capacity(before.len() + after.len() + rows * (row.len() + 1));
    text.push_str(before);
    for number in 0..rows {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&row);
    }
    text.push_str(after);
    sqlx::AssertSqlSafe(text)
}

/// Numbers for `json_each(?)`: any count of them with one statement text.
pub(crate) fn json_array(numbers: impl Iterator<Item = i64>) -> String {
    let mut text = "[".to_owned();
    for number in numbers {
        let _infallible = write!(text, "{number},");
    }
    if text.len() > 1 {
        text.pop();
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_a_mark_for_each_value() {
        assert_eq!(for_rows("VALUES ", 2, 3, ";").0, "VALUES (?,?,?),(?,?,?);");
        assert_eq!(json_array([].into_iter()), "[]");
        assert_eq!(json_array([1, -2].into_iter()), "[1,-2]");
    }
}
