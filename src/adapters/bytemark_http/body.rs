//! Reading a body to its end, as far as it may go.

use bytes::Bytes;
use reqwest::Response;

use super::patience::Patience;
use crate::ports::{NoAnswer, Room};

/// The whole body, for which room is taken before it is read on. One that is too large is not read on, so that its
/// connection is closed.
pub(super) async fn read(
    mut response: Response,
    body_max: usize,
    room: &dyn Room,
    patience: &mut Patience,
) -> Result<Bytes, NoAnswer> {
    let told = response.content_length().unwrap_or(0);
    let told = usize::try_from(told).ok().filter(|told| *told <= body_max).ok_or_else(|| too_large(body_max))?;
    room.take(told).await;
    let mut taken = told;
    let mut body = Pieces::default();
    while let Some(piece) = patience.piece(response.chunk()).await? {
        let bytes = body.len().saturating_add(piece.len());
        if bytes > body_max {
            return Err(too_large(body_max));
        }
        room.take(bytes.saturating_sub(taken)).await;
        taken = taken.max(bytes);
        body.push(piece, told);
    }
    Ok(body.whole())
}

fn too_large(body_max: usize) -> NoAnswer {
    NoAnswer { code: "body_too_large", message: format!("the body is larger than {body_max} bytes (body_max)") }
}

/// What has been read. Most bodies come in one piece, which is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: Vec<u8>,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, piece: Bytes, told: usize) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if !self.first.is_empty() {
            self.all.reserve_exact(told.max(self.first.len() + piece.len()));
            self.all.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.all.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.into() }
    }
}
