//! Rules of the tokens.

use passflow::domain::token::Token;

use crate::storage::{TokensStorage, user};

pub async fn the_last_row_with_a_token_counts(storage: &impl TokensStorage) {
    storage
        .put_tokens(&[
            (user(1), Some("old")),
            (user(2), Some("only")),
            (user(1), Some("new")),
            (user(1), None),
            (user(1), Some("")),
        ])
        .await;
    let tokens = storage.tokens().await.tokens(&[user(1), user(2)]).await.unwrap();
    let texts: Vec<_> = tokens.iter().map(|token| token.as_ref().unwrap().expose()).collect();
    assert_eq!(texts, ["new", "only"]);
}

pub async fn an_empty_token_is_none(storage: &impl TokensStorage) {
    storage.put_tokens(&[(user(1), Some("")), (user(2), None)]).await;
    let tokens = storage.tokens().await;
    assert_eq!(tokens.tokens(&[user(1), user(2), user(3)]).await.unwrap(), [None, None, None]);
    assert_eq!(tokens.users(None, 10).await.unwrap(), []);
}

pub async fn answers_in_the_order_asked(storage: &impl TokensStorage) {
    storage.put_tokens(&[(user(1), Some("one")), (user(2), Some("two")), (user(3), Some("three"))]).await;
    let tokens = storage.tokens().await.tokens(&[user(3), user(9), user(1), user(3)]).await.unwrap();
    let texts: Vec<_> = tokens.iter().map(|token| token.as_ref().map(Token::expose)).collect();
    assert_eq!(texts, [Some("three"), None, Some("one"), Some("three")]);
    assert_eq!(storage.tokens().await.tokens(&[]).await.unwrap(), []);
}

pub async fn pages_name_each_user_once(storage: &impl TokensStorage) {
    let mut rows = vec![(user(7), Some("a")), (user(7), Some("b")), (user(8), None), (user(8), Some("c"))];
    rows.extend((1..=5).rev().map(|number| (user(number), Some("t"))));
    rows.push((user(6), Some("")));
    storage.put_tokens(&rows).await;
    let tokens = storage.tokens().await;
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = tokens.users(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        pages.push(page.iter().map(|user| user.get()).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![1, 2, 3], vec![4, 5, 7], vec![8]]);
}
