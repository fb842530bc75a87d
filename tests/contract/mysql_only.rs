//! Tables as they come: types, names, indexes, servers that are slow or away.

use std::time::{Duration, Instant};

use passflow::{
    adapters::mysql_tokens::{Columns, MysqlTokens, Settings},
    domain::token::Token,
    ports::{Failure, PortError, Tokens as _},
};

use crate::{
    mysql::Mysql,
    storage::{TokensStorage as _, run, server, soon, user},
};

/// The tokens of users 1 to 3, and all users by pages of two.
async fn contents(tokens: &MysqlTokens) -> (Vec<Option<String>>, Vec<i64>) {
    let found = tokens.tokens(&[1, 2, 3].map(user)).await.unwrap();
    let texts = found.iter().map(|token| token.as_ref().map(|token| token.expose().to_owned())).collect();
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let page = tokens.users(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        users.extend(page.iter().map(|user| user.get()));
    }
    assert_eq!(tokens.count().await.unwrap(), users.len() as u64);
    (texts, users)
}

#[tokio::test]
async fn any_type_of_id_and_token_is_read() {
    for columns in [
        "id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED, token VARBINARY(100), KEY (user_id)",
        "id INT AUTO_INCREMENT PRIMARY KEY, user_id INT UNSIGNED, token VARCHAR(100) CHARACTER SET latin1, KEY (user_id)",
        "id INT AUTO_INCREMENT PRIMARY KEY, user_id MEDIUMINT, token TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "id CHAR(36) DEFAULT (UUID()) PRIMARY KEY, user_id BIGINT, token VARCHAR(100) CHARACTER SET utf16",
        "id INT AUTO_INCREMENT PRIMARY KEY, user_id DECIMAL(20), token BLOB",
    ] {
        run(Mysql::with(columns).await, async |storage: &Mysql| {
            storage.put_tokens(&[(user(2), Some("zwei é")), (user(1), Some("one")), (user(5), None)]).await;
            let expected = (vec![Some("one".to_owned()), Some("zwei é".to_owned()), None], vec![1, 2]);
            assert_eq!(contents(&storage.mysql_tokens()).await, expected, "{columns}");
        })
        .await;
    }
}

#[tokio::test]
async fn ids_that_no_user_can_have_are_passed_over() {
    let columns = "id INT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED, token VARCHAR(9), KEY (user_id)";
    run(Mysql::with(columns).await, async |storage: &Mysql| {
        let rows =
            "(0, 't'), (18446744073709551615, 't'), (9007199254740992, 't'), (9007199254740991, 't'), (NULL, 't')";
        storage.execute(&format!("INSERT INTO {} (user_id, token) VALUES {rows}", storage.table)).await;
        assert_eq!(contents(&storage.mysql_tokens()).await, (vec![None; 3], vec![9_007_199_254_740_991]));
    })
    .await;
}

#[tokio::test]
async fn a_token_of_blanks_is_one() {
    run(Mysql::new().await, async |storage: &Mysql| {
        storage.put_tokens(&[(user(1), Some(" ")), (user(2), Some(""))]).await;
        assert_eq!(contents(&storage.mysql_tokens()).await, (vec![Some(" ".to_owned()), None, None], vec![1]));
    })
    .await;
}

#[tokio::test]
async fn names_come_from_the_settings() {
    let columns = "`the-key` INT AUTO_INCREMENT PRIMARY KEY, `order` INT, `select` VARCHAR(9)";
    run(Mysql::with(columns).await, async |storage: &Mysql| {
        let insert = format!("INSERT INTO {} (`order`, `select`) VALUES (1, 'old'), (1, 'new')", storage.table);
        storage.execute(&insert).await;
        let columns = Columns {
            table: format!("portal.{}", storage.table),
            key: "the-key".to_owned(),
            user_id: "order".to_owned(),
            token: "select".to_owned(),
        };
        let settings = Settings { columns, ..Settings::default() };
        let tokens = MysqlTokens::new(&server("PASSFLOW_TEST_MYSQL"), &settings).unwrap();
        assert_eq!(contents(&tokens).await, (vec![Some("new".to_owned()), None, None], vec![1]));
        assert!(tokens.missing_index().await.unwrap().unwrap().contains("CREATE INDEX"));
    })
    .await;
}

#[tokio::test]
async fn an_index_is_missed_only_where_there_is_none() {
    run(Mysql::new().await, async |storage: &Mysql| {
        let rows: Vec<_> = (1..=300).map(|number| (user(number), Some("t"))).collect();
        storage.put_tokens(&rows).await;
        assert_eq!(storage.mysql_tokens().missing_index().await.unwrap(), None);
        storage.execute(&format!("DROP INDEX user_id ON {}", storage.table)).await;
        let advice = storage.mysql_tokens().missing_index().await.unwrap().unwrap();
        assert!(advice.contains(&format!("ON `{}` (`user_id`)", storage.table)), "{advice}");
    })
    .await;
}

#[tokio::test]
async fn three_thousand_users_are_read_at_once() {
    run(Mysql::new().await, async |storage: &Mysql| {
        let values: Vec<String> = (1..=3000).map(|number| format!("({number}, 't{number}')")).collect();
        storage.execute(&format!("INSERT INTO {} (user_id, token) VALUES {}", storage.table, values.join(","))).await;
        let users: Vec<_> = (1..=3001).rev().map(user).collect();
        let tokens = storage.mysql_tokens().tokens(&users).await.unwrap();
        assert_eq!(tokens[0], None);
        assert_eq!(tokens[3000], Token::new("t1".to_owned()));
        assert_eq!(tokens.iter().flatten().count(), 3000);
    })
    .await;
}

/// A locked table: whoever wants to read it waits.
#[tokio::test]
async fn the_server_ends_a_statement_that_takes_too_long() {
    run(Mysql::new().await, async |storage: &Mysql| {
        storage.put_tokens(&[(user(1), Some("t"))]).await;
        let settings = Settings { statement_max: Duration::from_millis(300), connections_max: 1, ..storage.settings() };
        let tokens = MysqlTokens::new(&server("PASSFLOW_TEST_MYSQL"), &settings).unwrap();
        let mut locker = storage.pool.acquire().await.unwrap();
        let lock = format!("LOCK TABLES {} WRITE", storage.table);
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *locker).await.unwrap();
        let started = Instant::now();
        let error: PortError = soon("the limit", tokens.users(None, 10)).await.unwrap_err();
        assert_eq!(error.kind, Failure::Down, "{error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{error}");
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut *locker).await.unwrap();
        assert_eq!(tokens.users(None, 10).await.unwrap(), [user(1)]);
    })
    .await;
}

#[tokio::test]
async fn errors_say_where_and_never_the_password() {
    run(Mysql::new().await, async |storage: &Mysql| {
        let url = server("PASSFLOW_TEST_MYSQL");
        let columns = Columns { table: "no_such_table".to_owned(), ..Columns::default() };
        let settings = Settings { columns, ..Settings::default() };
        let error = MysqlTokens::new(&url, &settings).unwrap().users(None, 1).await.unwrap_err();
        assert!(error.kind == Failure::Down && error.to_string().contains("no_such_table"), "{error}");
        let url = url.replacen("passflow:passflow@", "passflow:hunter2@", 1);
        let tokens = MysqlTokens::new(&url, &storage.settings()).unwrap();
        let error = tokens.tokens(&[user(1)]).await.unwrap_err();
        assert!(error.kind == Failure::Down && error.to_string().contains("PASSFLOW_MYSQL_URL"), "{error}");
        assert!(!format!("{error:?} {tokens:?}").contains("hunter2"), "{error}");
    })
    .await;
}
