//! How the server is called: each call as a task of its own, and not waited for without end.

use std::{future::Future, time::Duration};

use mongodb::error::Error;
use tokio::time::timeout;

use super::{
    MongoDocuments,
    failure::{Effect, failed, port_error},
};
use crate::ports::{Failure, PortError};

/// Makes a call as a task of its own: a caller that stops waiting must not drop it half-way, which would leave its
/// connection with half an answer.
pub(super) async fn call<T: Send + 'static>(
    answer_max: Duration,
    effect: Effect,
    doing: impl Fn() -> String + Sync,
    call: impl Future<Output = Result<T, PortError>> + Send + 'static,
) -> Result<T, PortError> {
    let kind = if effect == Effect::Reads { Failure::Down } else { Failure::Unanswered };
    match timeout(answer_max, tokio::spawn(call)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(ended)) => Err(port_error(kind, doing(), format!("the call ended without an answer: {ended}"))),
        Err(_) => {
            let waited = answer_max.as_secs();
            Err(port_error(kind, doing(), format!("no answer within {waited} s; is MongoDB overloaded?")))
        }
    }
}

/// A call to the driver whose error tells of its effect.
pub(super) async fn ask<T: Send + 'static>(
    answer_max: Duration,
    effect: Effect,
    doing: impl Fn() -> String + Sync,
    asked: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, PortError> {
    let text = doing();
    call(answer_max, effect, doing, async move { asked.await.map_err(|error| failed(&error, effect, text)) }).await
}

impl MongoDocuments {
    pub(super) async fn call<T: Send + 'static>(
        &self,
        effect: Effect,
        doing: impl Fn() -> String + Sync,
        asked: impl Future<Output = Result<T, PortError>> + Send + 'static,
    ) -> Result<T, PortError> {
        call(self.settings.answer_max, effect, doing, asked).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        doing: impl Fn() -> String + Sync,
        read: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, PortError> {
        ask(self.settings.answer_max, Effect::Reads, doing, read).await
    }

    pub(super) async fn change<T: Send + 'static>(
        &self,
        doing: impl Fn() -> String + Sync,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, PortError> {
        ask(self.settings.answer_max, Effect::Writes, doing, change).await
    }
}
