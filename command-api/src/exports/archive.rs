//! An archive: a ZIP with every fact, the present state of everything, and a manifest with a fingerprint of each file.
//!
//! It is written as a stream: what a page of facts came to is compressed, cut into pieces and stored before the next one
//! is read, so that a million facts take no more memory than a thousand. What is in it is read from the log, so that
//! every context is in it by itself.

mod mail;

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use self::mail::{Kept, Raw};
use orbit_adapters::blobs::Blobs;
use orbit_event_store::{
    EventStore, Fault, Stored, Which,
    exports::{Export, Exports},
};
use orbit_events::{Event, Outward, UserId};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

/// Facts read at once.
const FACTS: i64 = 500;
/// Streams folded before the next ones are looked for.
const STREAMS: i64 = 200;
/// Bytes of the archive in one piece.
const PIECE: usize = 1024 * 1024;

const README: &str = "\
Everything that Orbit knows about you.

history.jsonl   every fact, in order: what happened, when, and who did it. One JSON object per line.
profile.json    your account as it is now.
*.jsonl         everything else as it is now, one JSON object per line: lists, tasks, labels, devices, tokens,
                connections. What was removed is only in the history.
emails.mbox     your messages as they came, in the order in which they came in (mboxrd: most mail programs read it).
files/          files that you uploaded and did not send yet.
left-out.txt    messages and files whose bytes are not in here, and why; only if there are any.
manifest.json   what is in here: the position of the log it tells of, and lines, bytes and SHA-256 of each file.

Passwords, tokens and their hashes are in none of these files: nobody needs them to read what you wrote.
";

/// Makes the archive and completes the job. `false` if the job is somebody else's by now, or gone.
pub async fn make(
    store: &EventStore,
    blobs: Option<&Blobs>,
    exports: &Exports,
    export: &Export,
    worker: Uuid,
) -> Result<bool, Fault> {
    let mut archive = Archive::new(store, exports, export, worker).await?;
    archive.begin("README.txt")?;
    archive.write(README.as_bytes())?;
    archive.end();
    let mut kept = Kept::default();
    let complete = archive.history(&mut kept).await?
        && archive.states().await?
        && archive.mail(&kept, Raw::new(blobs)).await?
        && archive.finish().await?;
    Ok(complete && exports.complete(export, worker).await?)
}

/// A file in the archive, as the manifest tells of it.
#[derive(Serialize)]
struct File {
    name: String,
    lines: u64,
    bytes: u64,
    sha256: String,
}

struct Archive<'a> {
    store: &'a EventStore,
    exports: &'a Exports,
    export: &'a Export,
    worker: Uuid,
    zip: ZipWriter<StreamWriter<Sink>>,
    /// What the archiver has written and is not stored yet.
    written: Sink,
    pieces: i32,
    files: Vec<File>,
    /// The file that is being written.
    name: String,
    hash: Sha256,
    lines: u64,
    bytes: u64,
    facts: i64,
    total: i64,
}

impl<'a> Archive<'a> {
    async fn new(store: &'a EventStore, exports: &'a Exports, export: &'a Export, worker: Uuid) -> Result<Self, Fault> {
        let total = store.log().count_of_user(export.user_id, export.upto).await?;
        let written = Sink::default();
        Ok(Self {
            store,
            exports,
            export,
            worker,
            zip: ZipWriter::new_stream(written.clone()),
            written,
            pieces: 0,
            files: Vec::new(),
            name: String::new(),
            hash: Sha256::new(),
            lines: 0,
            bytes: 0,
            facts: 0,
            total,
        })
    }

    /// Every fact, outward.
    async fn history(&mut self, kept: &mut Kept) -> Result<bool, Fault> {
        self.begin("history.jsonl")?;
        let which = Which { user: Some(UserId(self.export.user_id)), ..Which::default() };
        let mut after = 0;
        loop {
            let page = self.store.log().replay(&which, after, self.export.upto, FACTS).await?;
            let Some(last) = page.last() else { break };
            after = last.envelope.position;
            for opened in Stored::open_all(page, self.store.vault()).await? {
                let told = match opened {
                    // Who is forgotten takes nothing along.
                    Ok(fact) if fact.event().is_none() => return Err(Fault::Forgotten),
                    Ok(fact) => {
                        kept.note(&fact);
                        fact.outward()
                    }
                    Err((envelope, _)) => Outward::unreadable(&envelope, "unreadable"),
                };
                self.line(&told)?;
                self.facts += 1;
            }
            if !self.store_pieces(false).await? {
                return Ok(false);
            }
        }
        self.end();
        Ok(true)
    }

    /// What is there now, a file for each kind of thing.
    async fn states(&mut self) -> Result<bool, Fault> {
        let (user, upto) = (self.export.user_id, self.export.upto);
        for category in Event::CATEGORIES {
            self.begin(&file_of(category))?;
            let mut after = 0;
            loop {
                let streams = self.store.log().streams_of_user(user, category, after, upto, STREAMS).await?;
                let Some((_, last)) = streams.last() else { break };
                after = *last;
                for (id, _) in streams {
                    let Some(known) = self.store.log().known_of(self.store.vault(), id, upto).await? else { continue };
                    let mut told = serde_json::Map::from_iter([
                        ("id".to_owned(), json!(known.id)),
                        ("version".to_owned(), json!(known.version)),
                        ("created_at".to_owned(), json!(known.created_at)),
                        ("updated_at".to_owned(), json!(known.updated_at)),
                    ]);
                    told.extend(known.fields.into_iter().map(|(field, value)| (field.to_owned(), value)));
                    self.line(&Value::Object(told))?;
                }
                if !self.store_pieces(false).await? {
                    return Ok(false);
                }
            }
            self.end();
        }
        Ok(true)
    }

    /// The manifest and the end of the archive.
    async fn finish(&mut self) -> Result<bool, Fault> {
        let manifest = json!({
            "format": 1,
            "user_id": self.export.user_id,
            "created_at": self.export.created_at,
            "position": self.export.upto,
            "facts": self.facts,
            "files": self.files,
        });
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(broken)?;
        self.begin("manifest.json")?;
        self.write(&manifest)?;
        let end = mem::replace(&mut self.zip, ZipWriter::new_stream(Sink::default()));
        end.finish().map_err(broken)?;
        self.store_pieces(true).await
    }

    fn begin(&mut self, name: &str) -> Result<(), Fault> {
        // How long a file becomes is not known: it may need the long form of the format.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        self.zip.start_file(name, options).map_err(broken)?;
        name.clone_into(&mut self.name);
        (self.hash, self.lines, self.bytes) = (Sha256::new(), 0, 0);
        Ok(())
    }

    fn line(&mut self, told: &impl Serialize) -> Result<(), Fault> {
        let mut line = serde_json::to_vec(told).map_err(broken)?;
        line.push(b'\n');
        self.write(&line)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.zip.write_all(bytes).map_err(broken)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.lines += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        Ok(())
    }

    fn end(&mut self) {
        let sha256 = hex::encode(mem::take(&mut self.hash).finalize());
        let name = mem::take(&mut self.name);
        self.files.push(File { name, lines: self.lines, bytes: self.bytes, sha256 });
    }

    /// Stores what is complete of the archive, at its end the rest too, and tells how far the work is.
    async fn store_pieces(&mut self, rest: bool) -> Result<bool, Fault> {
        while let Some(piece) = self.written.take(rest) {
            if !self.exports.write(self.export, self.worker, self.pieces, &piece).await? {
                return Ok(false);
            }
            self.pieces += 1;
        }
        self.exports.progress(self.export, self.worker, self.facts, self.total).await
    }
}

/// The name of the file for what is in a category.
fn file_of(category: &str) -> String {
    match category {
        "users" => "profile.json".to_owned(),
        "logins" => "devices.jsonl".to_owned(),
        "api_tokens" => "tokens.jsonl".to_owned(),
        other => format!("{other}.jsonl"),
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::Corrupt { what: "an archive", source: error.into() }
}

/// Where the archiver writes. Clones are the same place.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// The next piece; a smaller one only if it is the rest.
    fn take(&self, rest: bool) -> Option<Vec<u8>> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() >= PIECE {
            let behind = written.split_off(PIECE);
            return Some(mem::replace(&mut *written, behind));
        }
        (rest && !written.is_empty()).then(|| mem::take(&mut *written))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_to_size_and_the_rest_comes_last() {
        let mut sink = Sink::default();
        sink.write_all(&vec![1; PIECE + 1]).unwrap();
        assert_eq!(sink.take(false).map(|piece| piece.len()), Some(PIECE));
        assert_eq!(sink.take(false), None);
        assert_eq!(sink.take(true), Some(vec![1]));
        assert_eq!(sink.take(true), None);
    }
}
