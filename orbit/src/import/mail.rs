//! `orbit import mail`: mailboxes in files. The same work as the reactor does with uploads, and the same job: stopped, it
//! goes on where it was when the same command is given again.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::{Instant, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use orbit_adapters::mailbox;
use orbit_domain::{
    emails::FolderName,
    users::{Email, user::email_claim},
};
use orbit_event_store::{
    EventStore, Limits, MasterKey, Settings,
    imports::{Counts, End, Import, Progress, Wanted},
};
use orbit_platform::{
    clock::Clock,
    config::{BlobArgs, DatabaseArgs, EnvironmentArgs, KeysArgs},
    ids, postgres,
    shutdown::Shutdown,
};
use orbit_reactor::{
    imports::job::{self, Ended},
    ingest::Ingest,
};
use orbit_runtime::Home;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    place::{self, HomeArgs},
    print,
};

const EXAMPLES: &str = "\
Examples:
  orbit import mail --user ada@example.org ~/Mail/old.mbox
  orbit import mail --user ada@example.org --folder archive ~/Maildir letter.eml
  orbit import mail --user ada@example.org --json takeout.mbox      one JSON object at the end

Beside a running Orbit. Messages that are there already are passed over. Ctrl-C stops it: the same command goes on where
it was.";

/// Scope of the keyed hash that gives the import of a file its id.
const IDS: &str = "imports.file";
/// How long the batcher may take to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);
/// Directories looked into below a Maildir when its bytes are counted.
const DEPTH: usize = 4;

/// Arguments of `orbit import mail`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Whose mailbox it becomes: the address that they log in with
    #[arg(long, value_name = "EMAIL")]
    user: String,
    /// Where all of it goes: inbox, sent, drafts, archive, trash, junk, or the name of a folder, which is made; where the
    /// mailbox says, when not given
    #[arg(long, value_name = "NAME")]
    folder: Option<String>,
    /// Say what was done as one JSON object
    #[arg(long)]
    json: bool,
    /// Files of one message (.eml) or many (mbox, tar), and Maildirs
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    home: HomeArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    blobs: BlobArgs,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Takes all of them in, one after the other.
pub async fn run(mut args: Args) -> anyhow::Result<()> {
    // First whatever can refuse at once.
    let files = args.files.iter().map(|path| File::find(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let email = Email::parse(&args.user).map_err(|_| anyhow::anyhow!("{} is no e-mail address", args.user))?;
    let folder = args.folder.as_deref().map(FolderName::parse).transpose();
    let folder = folder.map_err(|_| anyhow::anyhow!("--folder is not one line of 1 to 255 characters"))?;
    let home = args.home.locate()?;
    let shutdown = Shutdown::new();
    shutdown.on_signals();
    let life = Shutdown::new();
    let done = async {
        let importer = Importer::open(&home, &mut args, &email, folder.map(String::from), &life).await?;
        importer.all(&files, args.json, &shutdown).await
    };
    let done = done.await;
    // What was decided is appended, however it went.
    life.finish(GRACE).await?;
    let told = done?;
    if args.json {
        return print::line(&json!({ "imports": told }).to_string());
    }
    Ok(())
}

/// A file or a directory to be taken in.
struct File {
    path: PathBuf,
    bytes: u64,
    /// What makes it the same one the next time: when it was written. A Maildir changes while it is read.
    written: u128,
}

impl File {
    fn find(path: &Path) -> anyhow::Result<Self> {
        let path = fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
        let about = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if about.is_dir() {
            return Ok(Self { bytes: size(&path, DEPTH), written: 0, path });
        }
        let written = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Ok(Self { bytes: about.len(), written: written.as_nanos(), path })
    }

    /// The same file of the same user has the same id.
    fn id(&self, store: &EventStore, user: Uuid) -> Uuid {
        let size = if self.written == 0 { 0 } else { self.bytes };
        let path = self.path.as_os_str().as_encoded_bytes();
        let what = [user.as_bytes(), path, b"\0", &size.to_be_bytes(), &self.written.to_be_bytes()].concat();
        ids::derived(0, &store.vault().hash(IDS, &what))
    }
}

/// What lies in a directory, for the bar.
fn size(directory: &Path, depth: usize) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() && depth > 0 => size(&entry.path(), depth - 1),
        Ok(about) if about.is_file() => about.len(),
        _ => 0,
    });
    sizes.sum()
}

/// Takes files in for one user.
struct Importer {
    store: EventStore,
    ingest: Ingest,
    user: Uuid,
    folder: Option<String>,
}

impl Importer {
    async fn open(
        home: &Home,
        args: &mut Args,
        email: &Email,
        folder: Option<String>,
        life: &Shutdown,
    ) -> anyhow::Result<Self> {
        let environment = args.environment.environment;
        place::beside(home, environment, &mut args.database, &mut args.keys)?;
        let master_key = MasterKey::from_args(&args.keys, environment)?;
        let blobs = place::blobs(home, &args.blobs)?;
        let pool = postgres::connect_as(&args.database, "orbit import", None, orbit_reactor::ROLE).await?;
        let settings = Settings { pool, master_key, clock: Clock::system(), limits: Limits::default() };
        let store = EventStore::start(settings, life).await?;
        let Some(user) = store.holder(&email_claim(email)).await? else {
            bail!("nobody logs in as {}: register first", args.user);
        };
        let ingest = Ingest::new(store.clone(), blobs);
        Ok(Self { store, ingest, user, folder })
    }

    async fn all(&self, files: &[File], quiet: bool, shutdown: &Shutdown) -> anyhow::Result<Vec<Value>> {
        let mut told = Vec::with_capacity(files.len());
        for file in files {
            let begun = Instant::now();
            let done = self.one(file, shutdown).await?;
            if !quiet {
                print::text(&page(file, &done, begun.elapsed().as_secs_f64()))?;
            }
            let Counts { messages, created, known, noted, refused } = done.progress.counts;
            told.push(json!({
                "id": done.id, "file": file.path, "status": done.status, "messages": messages, "created": created,
                "known": known, "noted": noted, "refused": refused, "errors": done.progress.errors,
                "seconds": begun.elapsed().as_secs_f64(),
            }));
        }
        Ok(told)
    }

    async fn one(&self, file: &File, shutdown: &Shutdown) -> anyhow::Result<Import> {
        let (imports, worker) = (self.store.imports(), ids::new_event_id());
        let wanted = Wanted {
            id: file.id(&self.store, self.user),
            user_id: self.user,
            name: file.path.file_name().map(|name| name.to_string_lossy().chars().take(255).collect()),
            format: None,
            folder: self.folder.clone(),
            bytes: file.bytes,
        };
        let shown = file.path.display();
        let Some(import) = imports.begin(&wanted, worker).await? else {
            bail!("{shown} is being imported just now, or was a minute ago: wait for a minute, and try again");
        };
        let bar = Bar::new(file, &import.progress);
        let path = file.path.clone();
        let open = move |mark| mailbox::open(&path, mark);
        let ended = tokio::select! {
            ended = job::work(&self.ingest, &imports, &import, worker, open, |progress| bar.show(progress)) => ended,
            () = shutdown.cancelled() => {
                imports.give_back(import.id, worker).await?;
                bail!("stopped: the same command goes on where it was");
            }
        };
        drop(bar);
        let end = match ended {
            Ok(Ended::Complete) => End::Complete,
            Ok(Ended::Cancelled) => End::Cancelled,
            Ok(Ended::Lost) => bail!("somebody else goes on with {shown}"),
            Err(fault) => {
                imports.give_back(import.id, worker).await?;
                return Err(fault).with_context(|| format!("{shown} was not imported whole: the same command goes on"));
            }
        };
        imports.finish(import.id, worker, end).await?;
        imports.find(self.user, import.id).await?.context("the import is gone: was the user erased?")
    }
}

fn page(file: &File, done: &Import, seconds: f64) -> String {
    let Counts { messages, created, known, refused, noted: _ } = done.progress.counts;
    let number = |count: i64| HumanCount(count.unsigned_abs());
    let mut page = format!(
        "{}: {} messages, {} new, {} known, {} refused ({seconds:.1} s).\n",
        file.path.display(),
        number(messages),
        number(created),
        number(known),
        number(refused)
    );
    for error in &done.progress.errors {
        // A text takes whatever is written into it.
        let _ = writeln!(page, "  at {}: {} ({})", error.at, error.detail, error.code);
    }
    page
}

/// How far it is, on a terminal. Gone when dropped.
struct Bar(ProgressBar);

impl Bar {
    fn new(file: &File, progress: &Progress) -> Self {
        let bar = ProgressBar::new(file.bytes);
        let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes} · {msg} · {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = Self(bar);
        bar.show(progress);
        bar
    }

    fn show(&self, progress: &Progress) {
        self.0.set_position(progress.bytes_done.unsigned_abs());
        self.0.set_message(format!("{} messages", HumanCount(progress.counts.messages.unsigned_abs())));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
