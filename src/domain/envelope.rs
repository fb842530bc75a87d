//! A response body of Bytemark: `{"errors": [], "server_time": "...", "data": {"passes": [...], ...}}`.
//!
//! Some servers send `error` (null, a text, an object or a list) instead of `errors`; members come in any order, and of
//! members with equal keys the last counts. A body with errors is an error answer, whatever else it holds.

mod api_error;
mod error;
mod pass;

use std::borrow::Cow;

pub use api_error::ApiErrorEntry;
pub use error::EnvelopeError;
pub use pass::Pass;

use crate::domain::js_json::{self, Scanner, Value, canonicalize, decode};
use crate::domain::payload_hash::hash_many;
use error::Shape;

/// What a response body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The entries of `errors`, then those of `error`; empty in a successful answer.
    pub errors: Vec<ApiErrorEntry>,
    /// Bytemark's clock, as it was sent (JSON text if it was not a string).
    pub server_time: Option<Cow<'a, str>>,
    /// What an error answer is logged with; `None` in a successful answer.
    pub refusal: Option<Refusal>,
    /// The passes, in the order sent; `None` in an error answer, where they don't count.
    pub passes: Option<Vec<Pass<'a>>>,
    /// `data.page_count`, if it is a whole number.
    pub page_count: Option<u64>,
    /// `data.total_count`, if it is a whole number.
    pub total_count: Option<u64>,
    /// `data.pagination.next`
    pub next: Next,
}

/// The canonical JSON texts of an error answer, for the log in the cache document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The errors, always as an array.
    pub errors: String,
    /// `data`, if it was there.
    pub data: Option<String>,
}

/// Whether the server says that there is another page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// It says nothing.
    #[default]
    Absent,
    /// `null`, `false`, `0` or an empty text.
    No,
    /// Anything else: a path, `true`.
    Yes,
}

impl Envelope<'_> {
    /// Reads a body in one pass, and hashes its passes.
    ///
    /// `depth_max` bounds how many arrays and objects of the body may be open at once.
    ///
    /// # Errors
    /// [`EnvelopeError`] when the body is not such an envelope. An error answer is not an error here.
    pub fn parse(body: &[u8], depth_max: usize) -> Result<Envelope<'_>, EnvelopeError> {
        let (text, bytes_before) = decode(body);
        let envelope = match &text {
            Cow::Borrowed(text) => read(text, depth_max),
            Cow::Owned(text) => read(text, depth_max).map(Envelope::into_owned),
        };
        envelope.map_err(|error| error.moved_by(bytes_before))
    }

    /// The same, independent of the body.
    #[must_use]
    pub fn into_owned(self) -> Envelope<'static> {
        let owned = |passes: Vec<Pass<'_>>| passes.into_iter().map(Pass::into_owned).collect();
        Envelope {
            errors: self.errors,
            server_time: self.server_time.map(|time| time.into_owned().into()),
            refusal: self.refusal,
            passes: self.passes.map(owned),
            page_count: self.page_count,
            total_count: self.total_count,
            next: self.next,
        }
    }
}

/// What the members of the body hold, before it is known whether it is an error answer.
struct Members<'a> {
    errors: api_error::List,
    error: api_error::List,
    server_time: Option<Cow<'a, str>>,
    data: Option<(std::ops::Range<usize>, Data<'a>)>,
}

/// What `data` holds. In an error answer its shape doesn't matter.
#[derive(Default)]
struct Data<'a> {
    passes: Option<Result<Vec<Pass<'a>>, Shape>>,
    page_count: Option<u64>,
    total_count: Option<u64>,
    next: Next,
}

fn read(text: &str, depth_max: usize) -> Result<Envelope<'_>, EnvelopeError> {
    let mut scanner = Scanner::new(text, depth_max);
    if scanner.peek() != Some(b'{') {
        scanner.value()?;
        scanner.finish()?;
        return Err(Shape::Wrong("the body is not an object").into());
    }
    let members = read_members(&mut scanner)?;
    scanner.finish()?;

    let errors = members.errors?.into_iter().chain(members.error?);
    let (texts, entries): (Vec<_>, Vec<_>) = errors.unzip();
    if entries.is_empty() {
        return success(members.server_time, members.data.map(|(_, data)| data));
    }
    let data = members.data.and_then(|(range, _)| text.get(range));
    let data = data.map(|data| canonicalize(data.as_bytes(), depth_max)).transpose()?;
    Ok(Envelope {
        errors: entries,
        server_time: members.server_time,
        refusal: Some(Refusal {
            errors: format!("[{}]", texts.join(",")),
            data: data.map(|data| String::from_utf8_lossy(&data).into_owned()),
        }),
        passes: None,
        page_count: None,
        total_count: None,
        next: Next::Absent,
    })
}

fn success<'a>(server_time: Option<Cow<'a, str>>, data: Option<Data<'a>>) -> Result<Envelope<'a>, EnvelopeError> {
    let data = data.ok_or(Shape::Wrong("there is no data"))?;
    let no_passes = Shape::Wrong("data is not an object with passes");
    let mut passes = data.passes.unwrap_or(Err(no_passes))?;
    pass::check_unique(&passes)?;
    let texts: Vec<&[u8]> = passes.iter().map(|pass| pass.text.as_bytes()).collect();
    let hashes = hash_many(&texts);
    for (pass, hash) in passes.iter_mut().zip(hashes) {
        pass.hash = hash;
    }
    Ok(Envelope {
        errors: Vec::new(),
        server_time,
        refusal: None,
        passes: Some(passes),
        page_count: data.page_count,
        total_count: data.total_count,
        next: data.next,
    })
}

fn read_members<'a>(scanner: &mut Scanner<'a>) -> Result<Members<'a>, js_json::Error> {
    let mut members = Members { errors: Ok(Vec::new()), error: Ok(Vec::new()), server_time: None, data: None };
    scanner.enter()?;
    while let Some(key) = scanner.next_member()? {
        match key.as_ref() {
            "errors" => members.errors = api_error::read_errors(scanner)?,
            "error" => members.error = api_error::read_error(scanner)?,
            "server_time" => members.server_time = text_of(&scanner.value()?),
            "data" => {
                scanner.peek();
                let start = scanner.position();
                let data = read_data(scanner)?;
                members.data = Some((start..scanner.position(), data));
            }
            _ => {
                scanner.value()?;
            }
        }
    }
    Ok(members)
}

fn read_data<'a>(scanner: &mut Scanner<'a>) -> Result<Data<'a>, js_json::Error> {
    let mut data = Data::default();
    if scanner.peek() != Some(b'{') {
        scanner.value()?;
        return Ok(data);
    }
    scanner.enter()?;
    while let Some(key) = scanner.next_member()? {
        match key.as_ref() {
            "passes" => data.passes = Some(pass::read_all(scanner)?),
            "page_count" => data.page_count = count(&scanner.value()?),
            "total_count" => data.total_count = count(&scanner.value()?),
            "pagination" => data.next = next(&scanner.value()?),
            _ => {
                scanner.value()?;
            }
        }
    }
    Ok(data)
}

/// What a string says, else the JSON text; `None` for `null`.
fn text_of<'a>(value: &Value<'_, 'a>) -> Option<Cow<'a, str>> {
    let draft = value.draft();
    if draft.is_null() {
        return None;
    }
    Some(draft.string().unwrap_or_else(|| value.text()))
}

/// A whole number, also when it was sent as a text.
fn count(value: &Value<'_, '_>) -> Option<u64> {
    text_of(value)?.parse().ok()
}

fn next(pagination: &Value<'_, '_>) -> Next {
    let [next] = pagination.members(["next"]);
    match next.map(|next| next.json()) {
        None => Next::Absent,
        Some("null" | "false" | "0" | "\"\"") => Next::No,
        Some(_) => Next::Yes,
    }
}
