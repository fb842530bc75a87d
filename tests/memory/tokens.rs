//! Which token counts, and when it is seen.

use passflow::{
    adapters::memory::{Chaos, MemoryTokens, World},
    domain::token::Token,
    ports::Tokens,
};
use tokio::time::sleep;

use crate::kit::{BASE_MS, ms, run, user};

#[test]
fn of_several_rows_the_greatest_key_with_a_token_counts() {
    run(async {
        let tokens = MemoryTokens::new(&World::new(BASE_MS));
        let client = tokens.client(&Chaos::none());
        tokens.set_row(1, user(7), "old");
        tokens.set_row(5, user(7), "new");
        tokens.set_row(9, user(7), "");
        tokens.set(user(3), "three");
        tokens.set(user(8), "");
        let read = client.tokens(&[user(8), user(7), user(3), user(4)]).await.unwrap();
        let read: Vec<_> = read.iter().map(|token| token.as_ref().map(Token::expose)).collect();
        assert_eq!(read, [None, Some("new"), Some("three"), None]);
        assert_eq!(client.users(None, 9).await.unwrap(), [user(3), user(7)]);
        assert_eq!(client.users(Some(user(3)), 9).await.unwrap(), [user(7)]);
        assert_eq!(client.users(None, 1).await.unwrap(), [user(3)]);
        tokens.delete_row(5);
        assert_eq!(client.tokens(&[user(7)]).await.unwrap()[0].as_ref().unwrap().expose(), "old");
    });
}

#[test]
fn readers_can_lag_behind_a_change() {
    run(async {
        let tokens = MemoryTokens::new(&World::new(BASE_MS));
        let client = tokens.client(&Chaos::none());
        tokens.set(user(1), "one");
        assert!(client.tokens(&[user(1)]).await.unwrap()[0].is_some());
        tokens.set_lag(ms(500));
        tokens.set(user(1), "two");
        assert_eq!(tokens.present(user(1)).unwrap().expose(), "two");
        sleep(ms(499)).await;
        assert_eq!(client.tokens(&[user(1)]).await.unwrap()[0].as_ref().unwrap().expose(), "one");
        sleep(ms(1)).await;
        assert_eq!(client.tokens(&[user(1)]).await.unwrap()[0].as_ref().unwrap().expose(), "two");
    });
}
