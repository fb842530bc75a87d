//! The statements. They work on MySQL and MariaDB, for ids of any whole type, and tokens of any text type or VARBINARY.

/// Names of the table and its columns. The table's may be `database.table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The table.
    pub table: String,
    /// Its key: of several rows of a user the one with the greatest key and a token counts.
    pub key: String,
    /// The user's id.
    pub user_id: String,
    /// The token.
    pub token: String,
}

impl Default for Columns {
    fn default() -> Self {
        let [table, key, user_id, token] = ["bytemark_tokens", "id", "user_id", "token"].map(str::to_owned);
        Self { table, key, user_id, token }
    }
}

/// A name that can't be one of a table or column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a table or column: 1 to 64 letters, digits, `_`, `-` or `$`")]
pub struct NotAName(pub String);

/// The statements with their names in.
#[derive(Debug)]
pub(super) struct Statements {
    table: String,
    key: String,
    user: String,
    token: String,
}

impl Statements {
    pub(super) fn new(columns: &Columns) -> Result<Self, NotAName> {
        let table: Result<Vec<String>, NotAName> = columns.table.splitn(2, '.').map(quoted).collect();
        Ok(Self {
            table: table?.join("."),
            key: quoted(&columns.key)?,
            user: quoted(&columns.user_id)?,
            token: quoted(&columns.token)?,
        })
    }

    /// User and token of each row of `marks` users that has one, in the order of keys.
    ///
    /// Unsigned ids and binary tokens are cast: the driver takes only what it asked for. A text in another character set
    /// becomes UTF-8 first.
    pub(super) fn tokens(&self, marks: usize) -> String {
        let Self { table, key, user, token } = self;
        let marks = vec!["?"; marks].join(",");
        format!(
            "SELECT CAST({user} AS SIGNED), CAST(CONVERT({token} USING utf8mb4) AS BINARY) FROM {table} \
             WHERE {user} IN ({marks}) AND LENGTH({token}) > 0 ORDER BY {key}"
        )
    }

    /// A page of users with a token: behind the first parameter, up to the second, as many as the third says.
    pub(super) fn users(&self) -> String {
        let Self { table, user, .. } = self;
        let has_token = self.has_token();
        // Grouped, not DISTINCT over the cast: so the pages are read in the order of an index, and no further.
        format!(
            "SELECT CAST({user} AS SIGNED) FROM {table} WHERE {user} > ? AND {user} <= ? AND {has_token} \
             GROUP BY {user} ORDER BY {user} LIMIT ?"
        )
    }

    pub(super) fn count(&self) -> String {
        let Self { table, user, .. } = self;
        let has_token = self.has_token();
        format!("SELECT COUNT(DISTINCT {user}) FROM {table} WHERE {user} > 0 AND {user} <= ? AND {has_token}")
    }

    /// Bytes are counted: in most collations `''` equals a text of blanks.
    fn has_token(&self) -> String {
        format!("LENGTH({}) > 0", self.token)
    }

    /// What makes the index that the pages want.
    pub(super) fn create_index(&self) -> String {
        format!("CREATE INDEX passflow_user_id ON {} ({})", self.table, self.user)
    }
}

fn quoted(name: &str) -> Result<String, NotAName> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-$".contains(c);
    let is_name = (1..=64).contains(&name.chars().count()) && name.chars().all(is_plain);
    if is_name { Ok(format!("`{name}`")) } else { Err(NotAName(name.to_owned())) }
}

/// Parameters of a statement for `count` users: the next power of two.
pub(super) fn marks(count: usize) -> usize {
    count.max(1).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_quoted() {
        let statements =
            Statements::new(&Columns { table: "portal.my-tokens".to_owned(), ..Columns::default() }).unwrap();
        assert!(statements.users().contains("FROM `portal`.`my-tokens` WHERE `user_id` > ?"));
        for name in ["", "a`b", "a b", "a;b", "a'b", "a.b.c", &"x".repeat(65)] {
            let columns = Columns { table: name.to_owned(), ..Columns::default() };
            assert!(Statements::new(&columns).is_err(), "{name}");
        }
        assert!(Statements::new(&Columns { token: "a.b".to_owned(), ..Columns::default() }).is_err());
    }

    #[test]
    fn few_texts_serve_all_counts() {
        assert_eq!([1, 2, 3, 64, 65, 1024].map(marks), [1, 2, 4, 64, 128, 1024]);
        let statements = Statements::new(&Columns::default()).unwrap();
        assert!(statements.tokens(4).contains("IN (?,?,?,?)"));
    }
}
