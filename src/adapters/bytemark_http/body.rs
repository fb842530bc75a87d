//! Reading a body to its end, as far as it may go.

use bytes::Bytes;
use reqwest::Response;

use super::{
    budget::{Budget, Room},
    patience::Patience,
};
use crate::ports::NoAnswer;

/// A body, and the room that it takes.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The whole body; its room is free again when the last part of it is dropped. One that is too large is not read on,
/// so that its connection is closed.
pub(super) async fn read(
    mut response: Response,
    body_max: usize,
    budget: &Budget,
    patience: &mut Patience,
) -> Result<Bytes, NoAnswer> {
    let told = response.content_length().unwrap_or(0);
    let told = usize::try_from(told).ok().filter(|told| *told <= body_max).ok_or_else(|| too_large(body_max))?;
    let mut room = budget.reserve();
    room.grow_to(told).await;
    let mut body = Pieces::default();
    while let Some(piece) = patience.piece(response.chunk()).await? {
        let bytes = body.len().saturating_add(piece.len());
        if bytes > body_max {
            return Err(too_large(body_max));
        }
        room.grow_to(bytes).await;
        body.push(piece, told);
    }
    let held = Held { bytes: body.whole(), _room: room.finish() };
    Ok(if held.bytes.is_empty() { Bytes::new() } else { Bytes::from_owner(held) })
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
