use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Subcommand;

use crate::{
    domain::{token::Token, user_id::UserId},
    wiring::{PutRows, TokenAdmin},
};

use super::{
    Context, Error, Outcome,
    input::user_id,
    output::{Out, say},
    progress,
};

/// Changes the embedded token store; each change is also a record on the CDC topic
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow tokens import tokens.csv\n  passflow tokens set 42 < token.txt\n  passflow tokens delete 42"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Inserts or updates the rows of a CSV file with the header `user_id,token`; an empty token is NULL, and white space around one is left out
    #[command(after_help = "Example: passflow tokens import tokens.csv")]
    Import {
        /// The CSV file; - for standard input
        file: PathBuf,
    },
    /// Sets a user's token, read from standard input
    #[command(after_help = "Example: passflow tokens set 42 < token.txt")]
    Set {
        /// Whose
        #[arg(value_name = "USER_ID", value_parser = user_id)]
        user: UserId,
    },
    /// Deletes a user's row; exit code 1 when there is none
    #[command(after_help = "Example: passflow tokens delete 42")]
    Delete {
        /// Whose
        #[arg(value_name = "USER_ID", value_parser = user_id)]
        user: UserId,
    },
}

/// Rows of one transaction.
const BATCH: usize = 1000;

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let store = context.store().await?;
    let admin = store.token_admin.as_ref();
    match &args.action {
        Action::Import { file } => {
            let PutRows { inserted, updated, unchanged } = import(admin, file).await?;
            tell(
                context,
                "imported",
                &format!("{inserted} new rows, {updated} changed, {unchanged} as they were"),
                &serde_json::json!({"inserted": inserted, "updated": updated, "unchanged": unchanged}),
            )
        }
        Action::Set { user } => {
            admin.put(vec![(*user, Some(read_token()?))]).await?;
            tell(context, "set", &format!("the token of user {user}"), &serde_json::json!({"user_id": user}))
        }
        Action::Delete { user } => {
            if !admin.delete(*user).await? {
                return Err(Error::message(format!("user {user} has no row in the token store")));
            }
            tell(context, "deleted", &format!("the row of user {user}"), &serde_json::json!({"user_id": user}))
        }
    }
}

fn tell(context: &Context, done: &str, what: &str, json: &serde_json::Value) -> Result<Outcome, Error> {
    let mut out = Out::new();
    if context.is_json() {
        out.json(json)?;
    } else {
        out.line(&format!("{done} {what}"))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The whole of standard input, without the white space around it.
fn read_token() -> Result<Token, Error> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Error::message(format!("reading the token from standard input: {error}")))?;
    Token::new(text.trim().to_owned()).ok_or_else(|| {
        Error::message("standard input holds no token: write it there, like `passflow tokens set 42 < token.txt`")
    })
}

async fn import(admin: &dyn TokenAdmin, file: &Path) -> Result<PutRows, Error> {
    let name = file.display().to_string();
    let mut reader = open(file, &name)?;
    check_header(&mut reader, &name)?;
    let bar = progress::bar(None, "rows imported");
    let mut rows = Vec::new();
    let mut total = PutRows::default();
    for record in reader.records() {
        match record.map_err(|error| error.to_string()).and_then(|record| row(&record)) {
            Ok(row) => rows.push(row),
            Err(message) => {
                put(admin, &mut rows, &mut total).await?;
                say(&format!("the {} rows before it are imported", count(&total)));
                return Err(Error::message(format!("{name}: {message}")));
            }
        }
        if rows.len() == BATCH {
            put(admin, &mut rows, &mut total).await?;
            bar.set_position(count(&total));
        }
    }
    put(admin, &mut rows, &mut total).await?;
    bar.finish_and_clear();
    Ok(total)
}

type Csv = csv::Reader<Box<dyn Read + Send>>;

fn open(file: &Path, name: &str) -> Result<Csv, Error> {
    let source: Box<dyn Read + Send> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| Error::message(format!("opening {name}: {error}")))?)
    };
    Ok(csv::Reader::from_reader(source))
}

fn check_header(reader: &mut Csv, name: &str) -> Result<(), Error> {
    let header = reader.headers().map_err(|error| Error::message(format!("{name}: {error}")))?;
    let is_right = header.len() == 2
        && header.get(0).is_some_and(|first| first.trim_start_matches('\u{feff}') == "user_id")
        && header.get(1) == Some("token");
    if is_right { Ok(()) } else { Err(Error::message(format!("{name}: the first line must be `user_id,token`"))) }
}

fn row(record: &csv::StringRecord) -> Result<(UserId, Option<Token>), String> {
    let line = record.position().map_or(0, csv::Position::line);
    let field = |index: usize| record.get(index).unwrap_or_default();
    // With the columns the wrong way round, what stands there is a token: it must not be repeated.
    let user = user_id(field(0).trim())
        .map_err(|_| format!("line {line}: the first column is no user id: a whole number from 1 to 2^53-1"))?;
    Ok((user, Token::new(field(1).trim().to_owned())))
}

async fn put(
    admin: &dyn TokenAdmin,
    rows: &mut Vec<(UserId, Option<Token>)>,
    total: &mut PutRows,
) -> Result<(), Error> {
    let done = admin.put(std::mem::take(rows)).await?;
    total.inserted += done.inserted;
    total.updated += done.updated;
    total.unchanged += done.unchanged;
    Ok(())
}

fn count(rows: &PutRows) -> u64 {
    rows.inserted + rows.updated + rows.unchanged
}
