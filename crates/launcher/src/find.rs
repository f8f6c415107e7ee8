//! Finding a CPython 3.13.
//!
//! In this order: what the user names, the active virtual environment, `PATH`, pyenv's and uv's version folders. The
//! first one that really is a CPython 3.13 wins; for the others it is remembered why not, for the message.

use crate::elf;
use crate::{PYTHON_VERSION, VERSION};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where to look: the parts of the environment that matter, so that tests can make their own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `--python`
    pub option: Option<OsString>,
    /// `HOTSPUR_PYTHON`
    pub hotspur_python: Option<OsString>,
    /// `VIRTUAL_ENV`
    pub virtual_env: Option<PathBuf>,
    /// `PATH`
    pub path: Option<OsString>,
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `PYENV_ROOT`
    pub pyenv_root: Option<PathBuf>,
    /// `PYENV_VERSION`
    pub pyenv_version: Option<OsString>,
    /// `UV_PYTHON_INSTALL_DIR`
    pub uv_python_install_dir: Option<PathBuf>,
    /// `XDG_DATA_HOME`
    pub xdg_data_home: Option<PathBuf>,
    /// The current folder.
    pub current_dir: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn from_process(option: Option<OsString>) -> Environment {
        // An empty variable means the same as none, as for Python's own variables.
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = |name| variable(name).map(PathBuf::from);
        Environment {
            option,
            hotspur_python: variable("HOTSPUR_PYTHON"),
            virtual_env: folder("VIRTUAL_ENV"),
            path: variable("PATH"),
            home: folder("HOME"),
            pyenv_root: folder("PYENV_ROOT"),
            pyenv_version: variable("PYENV_VERSION"),
            uv_python_install_dir: folder("UV_PYTHON_INSTALL_DIR"),
            xdg_data_home: folder("XDG_DATA_HOME"),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }
}

/// Why a place was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--python`
    Option,
    /// `HOTSPUR_PYTHON`
    Variable,
    /// The active virtual environment.
    VirtualEnvironment,
    /// `PATH`
    Path,
    /// pyenv's version folders.
    Pyenv,
    /// uv's version folders.
    Uv,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Option => "--python",
            Origin::Variable => "HOTSPUR_PYTHON",
            Origin::VirtualEnvironment => "virtual environment (VIRTUAL_ENV)",
            Origin::Path => "PATH",
            Origin::Pyenv => "pyenv",
            Origin::Uv => "uv",
        })
    }
}

/// An interpreter that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// The file to execute.
    pub executable: PathBuf,
    /// How it was found.
    pub origin: Origin,
    /// Why Hotspur cannot run in it, for an interpreter that the user has named explicitly.
    pub unsupported: Option<String>,
    /// An active virtual environment that was passed over because it has no CPython 3.13.
    pub skipped_environment: Option<PathBuf>,
}

/// A place that was looked at in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Why it was looked at.
    pub origin: Origin,
    /// The file or folder; empty for "not set".
    pub place: PathBuf,
    /// What was wrong.
    pub outcome: String,
}

/// No CPython 3.13 was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// All places, in order.
    pub attempts: Vec<Attempt>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = PYTHON_VERSION;
        writeln!(f, "Hotspur {VERSION} needs CPython {major}.{minor} and found none. It looked at:")?;
        for attempt in &self.attempts {
            write!(f, "  {}: ", attempt.origin)?;
            if !attempt.place.as_os_str().is_empty() {
                write!(f, "{}: ", attempt.place.display())?;
            }
            writeln!(f, "{}", attempt.outcome)?;
        }
        writeln!(f, "To get one, any of these will do:")?;
        writeln!(f, "  your distribution's package (such as python{major}.{minor})")?;
        writeln!(f, "  uv python install {major}.{minor}")?;
        writeln!(f, "  pyenv install {major}.{minor}")?;
        writeln!(f, "  https://www.python.org/downloads/")?;
        write!(f, "To use one in another place: hotspur --python PATH, or set HOTSPUR_PYTHON.")
    }
}

impl std::error::Error for NotFound {}

/// What an interpreter says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    executable: PathBuf,
    implementation: String,
    version: (u8, u8),
    release: String,
    free_threaded: bool,
}

impl Identity {
    /// Why Hotspur cannot run there.
    fn unsupported(&self) -> Option<String> {
        let (major, minor) = PYTHON_VERSION;
        if self.implementation != "cpython" {
            Some(format!("is {} {}, not CPython {major}.{minor}", self.implementation, self.release))
        } else if self.version != PYTHON_VERSION {
            Some(format!("is CPython {}, not {major}.{minor}", self.release))
        } else if self.free_threaded {
            Some(format!("is a free-threaded build of CPython {}", self.release))
        } else {
            None
        }
    }
}

// Works in every Python since 2.6, so that an old one can say what it is.
const QUESTION: &str = "\
import sys
print('\\n'.join(['hotspur', str(sys.executable), getattr(getattr(sys, 'implementation', sys), 'name', 'python'),
    '%d %d' % sys.version_info[:2], '.'.join(str(part) for part in sys.version_info[:3]),
    str(int('t' in getattr(sys, 'abiflags', '')))]))";

/// Runs a candidate and asks it what it is.
fn ask(path: &Path) -> Result<Identity, String> {
    // -I and -S: nothing of the user's is run, and the start is quick. A shim must not read our standard input.
    let mut child = Command::new(path)
        .args(["-I", "-S", "-c", QUESTION])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("does not run: {error}"))?;
    let mut answer = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut answer));
    let status = child.wait().map_err(|error| format!("does not run: {error}"))?;
    if !status.success() || read.is_err() {
        return Err(format!("does not run ({status})"));
    }
    understand(&answer).ok_or_else(|| "does not answer as a Python would".to_string())
}

fn understand(answer: &[u8]) -> Option<Identity> {
    let mut lines = answer.split(|&byte| byte == b'\n');
    if lines.next()? != b"hotspur" {
        return None;
    }
    let executable = PathBuf::from(OsString::from_vec(lines.next()?.to_vec()));
    let mut text = || std::str::from_utf8(lines.next()?).ok();
    let implementation = text()?.to_string();
    let (major, minor) = text()?.split_once(' ')?;
    let version = (major.parse().ok()?, minor.parse().ok()?);
    let release = text()?.to_string();
    let free_threaded = text()? == "1";
    executable.is_absolute().then_some(Identity { executable, implementation, version, release, free_threaded })
}

/// The minor version that a file name claims: `python3.12` is `(3, 12)`.
fn version_from_name(name: &OsStr) -> Option<(u8, u8)> {
    let (major, minor) = name.to_str()?.strip_prefix("python")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Looks at a candidate without running it, if that is enough to know.
///
/// The real file's name settles it: `python3.13` (without the `t` of free-threaded builds) that links CPython's C API.
fn glance(path: &Path) -> Option<Result<PathBuf, String>> {
    let real = path.canonicalize().ok()?;
    let version = version_from_name(real.file_name()?)?;
    if !matches!(elf::kind(&real), Ok(elf::Kind::CPython)) {
        return None;
    }
    Some(if version == PYTHON_VERSION {
        // Not `real`: a virtual environment is known by the link's place.
        Ok(path.to_path_buf())
    } else {
        Err(format!("is Python {}.{}", version.0, version.1))
    })
}

struct Search {
    attempts: Vec<Attempt>,
    /// Real paths of candidates that turned out wrong: `python3` is often a link to one of them.
    rejected: Vec<PathBuf>,
}

impl Search {
    fn miss(&mut self, origin: Origin, place: impl Into<PathBuf>, outcome: impl Into<String>) {
        self.attempts.push(Attempt { origin, place: place.into(), outcome: outcome.into() });
    }

    /// The file to execute if the candidate is good.
    fn candidate(&mut self, origin: Origin, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok();
        if real.as_ref().is_some_and(|real| self.rejected.contains(real)) {
            return None;
        }
        let outcome = match glance(path) {
            Some(Ok(path)) => return Some(path),
            Some(Err(outcome)) => outcome,
            None => match ask(path) {
                Ok(identity) => match identity.unsupported() {
                    None => return Some(identity.executable),
                    Some(outcome) => outcome,
                },
                Err(outcome) => outcome,
            },
        };
        self.rejected.extend(real);
        self.miss(origin, path, outcome);
        None
    }
}

/// Finds an interpreter.
pub fn find(environment: &Environment) -> Result<Python, NotFound> {
    let mut search = Search { attempts: Vec::new(), rejected: Vec::new() };
    // What the user has named is taken or refused, but never silently replaced by another one.
    let named = [(Origin::Option, &environment.option), (Origin::Variable, &environment.hotspur_python)];
    for (origin, value) in named {
        if let Some(value) = value {
            return named_python(environment, origin, value)
                .map_err(|outcome| NotFound { attempts: vec![Attempt { origin, place: value.into(), outcome }] });
        }
        search.miss(origin, "", "not given");
    }
    let found =
        |executable, origin, skipped_environment| Python { executable, origin, unsupported: None, skipped_environment };

    let mut skipped = None;
    match &environment.virtual_env {
        Some(folder) => {
            let path = folder.join("bin").join("python");
            if !path.exists() {
                search.miss(Origin::VirtualEnvironment, path, "no such file");
            } else if let Some(executable) = search.candidate(Origin::VirtualEnvironment, &path) {
                return Ok(found(executable, Origin::VirtualEnvironment, None));
            }
            skipped = Some(folder.clone());
        }
        None => search.miss(Origin::VirtualEnvironment, "", "none is active"),
    }

    let pyenv = environment.pyenv_root.clone().or_else(|| environment.home.as_ref().map(|home| home.join(".pyenv")));
    if let Some(executable) = on_path(&mut search, environment, pyenv.as_deref()) {
        return Ok(found(executable, Origin::Path, skipped));
    }

    match &pyenv {
        Some(root) => {
            if let Some(executable) = in_versions(&mut search, Origin::Pyenv, &root.join("versions"), pyenv_version) {
                return Ok(found(executable, Origin::Pyenv, skipped));
            }
        }
        None => search.miss(Origin::Pyenv, "", "neither PYENV_ROOT nor HOME is set"),
    }

    let uv = environment.uv_python_install_dir.clone().or_else(|| {
        let data = environment.xdg_data_home.clone();
        let data = data.or_else(|| environment.home.as_ref().map(|home| home.join(".local/share")))?;
        Some(data.join("uv/python"))
    });
    match uv {
        Some(folder) => {
            if let Some(executable) = in_versions(&mut search, Origin::Uv, &folder, uv_version) {
                return Ok(found(executable, Origin::Uv, skipped));
            }
        }
        None => search.miss(Origin::Uv, "", "neither UV_PYTHON_INSTALL_DIR nor HOME is set"),
    }
    Err(NotFound { attempts: search.attempts })
}

/// The interpreter that the user has named: a path, or a command on `PATH`.
fn named_python(environment: &Environment, origin: Origin, value: &OsStr) -> Result<Python, String> {
    let path = if value.as_bytes().contains(&b'/') {
        environment.current_dir.join(value)
    } else {
        which::which_in(value, environment.path.as_ref(), &environment.current_dir)
            .map_err(|_| "no such command on PATH".to_string())?
    };
    let path = if path.is_dir() { path.join("bin").join("python") } else { path };
    if !path.exists() {
        return Err("no such file".to_string());
    }
    let python = |executable, unsupported| Python { executable, origin, unsupported, skipped_environment: None };
    match glance(&path) {
        Some(Ok(executable)) => Ok(python(executable, None)),
        // Another version is run and asked as well, because it will be started after all, only without Hotspur.
        Some(Err(_)) | None => {
            let identity = ask(&path)?;
            let unsupported = identity.unsupported();
            Ok(python(identity.executable, unsupported))
        }
    }
}

/// The first good one on `PATH`: all `python3.13`, then all `python3`.
fn on_path(search: &mut Search, environment: &Environment, pyenv: Option<&Path>) -> Option<PathBuf> {
    let (major, minor) = PYTHON_VERSION;
    let shims = pyenv.map(|root| root.join("shims"));
    for name in [format!("python{major}.{minor}"), format!("python{major}")] {
        let found = which::which_in_all(&name, environment.path.as_ref(), &environment.current_dir);
        let before = search.attempts.len();
        let mut any = false;
        for path in found.into_iter().flatten() {
            any = true;
            // pyenv's shims are shell scripts that take long to find out what a few small files say, and that exist
            // for versions which are not chosen, too.
            if let (Some(root), Some(shims)) = (pyenv, &shims)
                && path.parent() == Some(shims)
            {
                match chosen_by_pyenv(environment, root) {
                    Some(path) => {
                        if let Some(executable) = search.candidate(Origin::Path, &path) {
                            return Some(executable);
                        }
                    }
                    None => search.miss(Origin::Path, path, format!("pyenv's shim, with no {major}.{minor} chosen")),
                }
                continue;
            }
            if let Some(executable) = search.candidate(Origin::Path, &path) {
                return Some(executable);
            }
        }
        if !any && search.attempts.len() == before {
            search.miss(Origin::Path, name, "no such command");
        }
    }
    None
}

/// The CPython 3.13 that pyenv's shim would run: the version named by `PYENV_VERSION`, the nearest `.python-version`
/// file or the global choice.
fn chosen_by_pyenv(environment: &Environment, root: &Path) -> Option<PathBuf> {
    let names = match &environment.pyenv_version {
        Some(names) => names.to_str()?.replace(':', "\n"),
        None => environment
            .current_dir
            .ancestors()
            .map(|folder| folder.join(".python-version"))
            .chain([root.join("version")])
            .find_map(|file| std::fs::read_to_string(file).ok())?,
    };
    let (major, minor) = PYTHON_VERSION;
    let versions = versions_in(&root.join("versions"), pyenv_version);
    names.split_whitespace().find_map(|name| {
        let exact = root.join("versions").join(name);
        let folder = if exact.is_dir() {
            exact
        } else if name == format!("{major}.{minor}") {
            versions.first()?.1.clone()
        } else {
            return None;
        };
        let path = folder.join("bin").join(format!("python{major}.{minor}"));
        path.exists().then_some(path)
    })
}

/// The patch version of a pyenv folder: `3.13.5` is 5. Virtual environments and other implementations have other names.
fn pyenv_version(name: &str) -> Option<u32> {
    let (major, minor) = PYTHON_VERSION;
    name.strip_prefix(&format!("{major}.{minor}."))?.parse().ok()
}

/// The patch version of one of uv's folders: `cpython-3.13.5-linux-x86_64-gnu` is 5.
fn uv_version(name: &str) -> Option<u32> {
    let (version, _platform) = name.strip_prefix("cpython-")?.split_once('-')?;
    pyenv_version(version)
}

/// The folders of CPython 3.13, newest first.
fn versions_in(folder: &Path, version: fn(&str) -> Option<u32>) -> Vec<(u32, PathBuf)> {
    let mut versions: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions
}

fn in_versions(
    search: &mut Search,
    origin: Origin,
    folder: &Path,
    version: fn(&str) -> Option<u32>,
) -> Option<PathBuf> {
    let (major, minor) = PYTHON_VERSION;
    let versions = versions_in(folder, version);
    if versions.is_empty() {
        let outcome =
            if folder.is_dir() { format!("no version {major}.{minor} in it") } else { "no such folder".to_string() };
        search.miss(origin, folder, outcome);
    }
    versions.iter().find_map(|(_, folder)| {
        let path = folder.join("bin").join(format!("python{major}.{minor}"));
        if path.exists() {
            search.candidate(origin, &path)
        } else {
            search.miss(origin, path, "no such file");
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A program that answers as a Python of this version.
    fn fake(path: &Path, version: (u8, u8), free_threaded: bool) {
        let (major, minor) = version;
        script(
            path,
            &format!(
                "printf 'hotspur\\n%s\\ncpython\\n{major} {minor}\\n{major}.{minor}.1\\n{}\\n' \"$0\"",
                u8::from(free_threaded)
            ),
        );
    }

    fn script(path: &Path, body: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// One at a time: a child that another test starts while a script is being written has inherited the open file until it
    /// executes, and the kernel does not run what somebody can still write to (ETXTBSY).
    static PLACES: Mutex<()> = Mutex::new(());

    struct Place {
        folder: tempfile::TempDir,
        _alone: MutexGuard<'static, ()>,
    }

    impl Place {
        fn new() -> Place {
            let alone = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            Place { folder: tempfile::tempdir().unwrap(), _alone: alone }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        /// An environment that sees nothing of this machine.
        fn environment(&self) -> Environment {
            Environment {
                path: Some(self.at("bin").into()),
                home: Some(self.at("home")),
                current_dir: self.at(""),
                ..Environment::default()
            }
        }
    }

    #[test]
    fn nothing_anywhere() {
        let place = Place::new();
        let message = find(&place.environment()).unwrap_err().to_string();
        let expected = [
            "--python: not given",
            "HOTSPUR_PYTHON: not given",
            "VIRTUAL_ENV",
            "python3.13: no such command",
            "python3: no such command",
            ".pyenv/versions: no such folder",
            "home/.local/share/uv/python: no such folder",
            "uv python install 3.13",
            "hotspur --python PATH",
        ];
        for part in expected {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }

    #[test]
    fn order() {
        let place = Place::new();
        let mut environment = place.environment();
        let check = |environment: &Environment, origin, path: &str| {
            let python = find(environment).unwrap();
            assert_eq!((python.origin, python.executable), (origin, place.at(path)));
        };
        // From the last place to the first: each new one wins.
        fake(&place.at("home/.local/share/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin/python3.13"), (3, 13), false);
        check(&environment, Origin::Uv, "home/.local/share/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin/python3.13");
        fake(&place.at("home/.pyenv/versions/3.13.9/bin/python3.13"), (3, 13), false);
        fake(&place.at("home/.pyenv/versions/3.13.10/bin/python3.13"), (3, 13), false);
        check(&environment, Origin::Pyenv, "home/.pyenv/versions/3.13.10/bin/python3.13");
        fake(&place.at("bin/python3"), (3, 13), false);
        check(&environment, Origin::Path, "bin/python3");
        fake(&place.at("bin/python3.13"), (3, 13), false);
        check(&environment, Origin::Path, "bin/python3.13");
        fake(&place.at("venv/bin/python"), (3, 13), false);
        environment.virtual_env = Some(place.at("venv"));
        check(&environment, Origin::VirtualEnvironment, "venv/bin/python");
        fake(&place.at("other/python"), (3, 13), false);
        environment.hotspur_python = Some(place.at("other/python").into());
        check(&environment, Origin::Variable, "other/python");
        environment.option = Some("bin/python3.13".into());
        check(&environment, Origin::Option, "bin/python3.13");
        environment.option = Some("python3".into());
        check(&environment, Origin::Option, "bin/python3");
    }

    #[test]
    fn wrong_ones_are_passed_over() {
        let place = Place::new();
        let mut environment = place.environment();
        environment.path = Some(std::env::join_paths([place.at("a"), place.at("b"), place.at("c")]).unwrap());
        script(&place.at("a/python3.13"), "exit 127");
        script(&place.at("b/python3.13"), "echo 3.13");
        fake(&place.at("c/python3.13"), (3, 13), true);
        fake(&place.at("a/python3"), (3, 12), false);
        symlink(place.at("a/python3"), place.at("b/python3")).unwrap();
        let error = find(&environment).unwrap_err();
        let outcomes: Vec<_> = error
            .attempts
            .iter()
            .filter(|attempt| attempt.origin == Origin::Path)
            .map(|attempt| attempt.outcome.as_str())
            .collect();
        assert_eq!(
            outcomes,
            [
                "does not run (exit status: 127)",
                "does not answer as a Python would",
                "is a free-threaded build of CPython 3.13.1",
                "is CPython 3.12.1, not 3.13",
            ]
        );
        fake(&place.at("c/python3"), (3, 13), false);
        assert_eq!(find(&environment).unwrap().executable, place.at("c/python3"));
    }

    #[test]
    fn a_shim_leads_to_the_real_file() {
        let place = Place::new();
        fake(&place.at("real/bin/python3"), (3, 13), false);
        script(&place.at("bin/python3.13"), &format!("exec '{}' \"$@\"", place.at("real/bin/python3").display()));
        let python = find(&place.environment()).unwrap();
        assert_eq!(python.executable, place.at("real/bin/python3"));
    }

    #[test]
    fn pyenv_shims_are_not_run() {
        let place = Place::new();
        let mut environment = place.environment();
        let root = place.at("pyenv");
        environment.pyenv_root = Some(root.clone());
        environment.path = Some(root.join("shims").into());
        script(&root.join("shims/python3.13"), "touch \"$0.was-run\"; exit 127");
        for patch in ["0", "4", "10"] {
            fake(&root.join(format!("versions/3.13.{patch}/bin/python3.13")), (3, 13), false);
        }
        let found = |environment: &Environment| {
            let python = find(environment).unwrap();
            (python.origin, python.executable)
        };
        let version = |patch: &str| root.join(format!("versions/3.13.{patch}/bin/python3.13"));
        // Nothing chosen: the newest of the version folders.
        assert_eq!(found(&environment), (Origin::Pyenv, version("10")));
        fs::write(root.join("version"), "3.11.7\n3.13.4\n").unwrap();
        assert_eq!(found(&environment), (Origin::Path, version("4")));
        fs::write(place.at(".python-version"), "3.13.0\n").unwrap();
        assert_eq!(found(&environment), (Origin::Path, version("0")));
        environment.pyenv_version = Some("3.12.1:3.13".into());
        assert_eq!(found(&environment), (Origin::Path, version("10")));
        assert!(!root.join("shims/python3.13.was-run").exists());
    }

    #[test]
    fn a_named_one_is_never_replaced() {
        let place = Place::new();
        fake(&place.at("bin/python3.13"), (3, 13), false);
        let mut environment = place.environment();
        environment.option = Some("no/such/python".into());
        let error = find(&environment).unwrap_err();
        assert_eq!(error.attempts.len(), 1);
        assert_eq!(error.attempts[0].outcome, "no such file");
        environment.option = Some("no-such-command".into());
        assert_eq!(find(&environment).unwrap_err().attempts[0].outcome, "no such command on PATH");
        script(&place.at("broken"), "exit 3");
        environment.option = Some(place.at("broken").into());
        assert_eq!(find(&environment).unwrap_err().attempts[0].outcome, "does not run (exit status: 3)");
        // One that Hotspur cannot run in is started all the same, as it is.
        fake(&place.at("python3.12"), (3, 12), false);
        environment.option = Some(place.at("python3.12").into());
        let python = find(&environment).unwrap();
        assert_eq!(python.executable, place.at("python3.12"));
        assert_eq!(python.unsupported.as_deref(), Some("is CPython 3.12.1, not 3.13"));
        // A folder: a virtual environment.
        fake(&place.at("venv/bin/python"), (3, 13), false);
        environment.option = Some(place.at("venv").into());
        assert_eq!(find(&environment).unwrap().executable, place.at("venv/bin/python"));
    }

    #[test]
    fn an_unfit_virtual_environment_is_reported() {
        let place = Place::new();
        fake(&place.at("bin/python3.13"), (3, 13), false);
        fake(&place.at("venv/bin/python"), (3, 12), false);
        let mut environment = place.environment();
        environment.virtual_env = Some(place.at("venv"));
        let python = find(&environment).unwrap();
        assert_eq!(python.executable, place.at("bin/python3.13"));
        assert_eq!(python.skipped_environment, Some(place.at("venv")));
    }

    #[test]
    fn names() {
        let version = |name: &str| version_from_name(OsStr::new(name));
        assert_eq!(version("python3.13"), Some((3, 13)));
        assert_eq!(version("python3.12"), Some((3, 12)));
        for name in ["python3.13t", "python3.13d", "python3", "python", "mise", "python3.13.1"] {
            assert_eq!(version(name), None, "{name}");
        }
        assert_eq!(uv_version("cpython-3.13.5-linux-x86_64-gnu"), Some(5));
        assert_eq!(uv_version("cpython-3.13.5+freethreaded-linux-x86_64-gnu"), None);
        assert_eq!(uv_version("pypy-3.13.5-linux"), None);
        assert_eq!(pyenv_version("3.13.0t"), None);
    }
}
