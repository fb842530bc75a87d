//! A TCP server that sends what it is told to, byte for byte.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What is done with a connection, in this order, for each of its requests.
#[derive(Clone)]
pub enum Act {
    /// Sends.
    Send(Vec<u8>),
    /// Sends the same again and again, until it can't.
    Repeat(Vec<u8>),
    /// Sends the same each ten milliseconds, until it can't.
    Trickle(Vec<u8>),
    /// Nothing more happens.
    Hang,
    /// The connection is reset.
    Reset,
}

#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub sent: AtomicUsize,
    pub requests: Mutex<Vec<String>>,
}

pub struct Server {
    pub base_url: String,
    pub seen: Arc<Seen>,
}

impl Server {
    /// Does the same for each request.
    pub async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let seen_by_all = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                seen_by_all.connections.fetch_add(1, Relaxed);
                tokio::spawn(serve(stream, acts.clone(), Arc::clone(&seen_by_all)));
            }
        });
        Self { base_url, seen }
    }

    pub async fn answering(answer: &str) -> Self {
        Self::start(vec![Act::Send(answer.as_bytes().to_vec())]).await
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Relaxed)
    }

    pub fn request(&self, nth: usize) -> String {
        self.seen.requests.lock().unwrap()[nth].clone()
    }
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn serve(mut stream: TcpStream, acts: Vec<Act>, seen: Arc<Seen>) {
    while let Some(request) = read_request(&mut stream).await {
        seen.requests.lock().unwrap().push(request);
        for act in &acts {
            if !perform(&mut stream, act, &seen).await {
                return;
            }
        }
    }
}

/// False when the connection is over.
async fn perform(stream: &mut TcpStream, act: &Act, seen: &Seen) -> bool {
    match act {
        Act::Send(bytes) => stream.write_all(bytes).await.is_ok(),
        Act::Repeat(bytes) => {
            while stream.write_all(bytes).await.is_ok() {
                seen.sent.fetch_add(bytes.len(), Relaxed);
            }
            false
        }
        Act::Trickle(bytes) => {
            while stream.write_all(bytes).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            false
        }
        Act::Hang => std::future::pending().await,
        Act::Reset => {
            stream.set_zero_linger().unwrap();
            false
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(request).ok()
}
