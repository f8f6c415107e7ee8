//! What the integration tests share: finding Python, an "installed" Hotspur, running and comparing.
#![allow(dead_code, reason = "each test program uses a part of it")]

use hotspur_launcher::find::{self, Environment};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

/// The `hotspur` command that cargo has built.
pub const HOTSPUR: &str = env!("CARGO_BIN_EXE_hotspur");

/// The Python to test with, found as the launcher finds it. A test without a Python is a failed test.
pub fn base_python() -> PathBuf {
    match find::find(&Environment::from_process(None)) {
        Ok(python) => python.executable,
        Err(error) => panic!("{error}"),
    }
}

/// The engine's library, as cargo has built it.
pub fn engine() -> PathBuf {
    let folder = Path::new(HOTSPUR).parent().unwrap();
    [folder.join("deps"), folder.to_path_buf()]
        .into_iter()
        .map(|folder| folder.join("libhotspur_engine.so"))
        .filter(|path| path.exists())
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("cargo has built the engine")
}

/// A fresh folder for one test.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A virtual environment.
pub struct Venv {
    pub folder: PathBuf,
    pub python: PathBuf,
    pub site: PathBuf,
}

impl Venv {
    /// An environment without anything in it.
    pub fn empty(name: &str) -> Venv {
        let folder = scratch(name).join("venv");
        let status =
            clean(Command::new(base_python()).args(["-m", "venv", "--without-pip"]).arg(&folder)).status().unwrap();
        assert!(status.success());
        Venv { python: folder.join("bin/python"), site: folder.join("lib/python3.13/site-packages"), folder }
    }

    /// An environment with Hotspur in it, laid out as `pip install` does.
    pub fn with_hotspur(name: &str) -> Venv {
        let venv = Venv::empty(name);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let package = venv.site.join("hotspur");
        std::fs::create_dir(&package).unwrap();
        let mut copied = 0;
        for entry in std::fs::read_dir(source.join("python/hotspur")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), package.join(entry.file_name())).unwrap();
                copied += 1;
            }
        }
        assert!(copied >= 5);
        let suffix = venv.eval("import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))");
        std::fs::copy(engine(), package.join(format!("_hotspur{}", suffix.trim()))).unwrap();
        let script = std::fs::read_to_string(source.join("hotspur.data/scripts/hotspur")).unwrap();
        let script = script.replacen("#!python", &format!("#!{}", venv.python.display()), 1);
        let command = venv.command();
        std::fs::write(&command, script).unwrap();
        std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
        // So that the first run is like all others, and the speed that of an installation.
        let status = clean(Command::new(&venv.python).args(["-m", "compileall", "-q"]).arg(&package)).status().unwrap();
        assert!(status.success());
        venv
    }

    /// The installed `hotspur` command.
    pub fn command(&self) -> PathBuf {
        self.folder.join("bin/hotspur")
    }

    /// What a piece of Python prints.
    pub fn eval(&self, code: &str) -> String {
        let output = clean(Command::new(&self.python).args(["-c", code])).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Takes everything out of the environment that changes how Python or Hotspur work.
pub fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PYTHON") || text.starts_with("HOTSPUR") || text == "VIRTUAL_ENV" {
            command.env_remove(name);
        }
    }
    // Whoever started the tests may have had signals ignored (a shell does that for what it puts in the background), and
    // children would inherit it.
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGTERM] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
    command.env("LC_ALL", "C.UTF-8").env("TERM", "dumb")
}

/// What a run has left.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Outcome {
        Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command with this standard input.
pub fn run(command: &mut Command, stdin: &str) -> Outcome {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// A way to start a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `python`
    Stock,
    /// The command that cargo builds.
    Built,
    /// The installed command.
    Installed,
    /// `python -m hotspur`
    Module,
}

impl Way {
    pub const HOTSPUR: [Way; 3] = [Way::Built, Way::Installed, Way::Module];

    /// The command, with as good as nothing in the environment. (Not `Command::env_clear` and the usual methods: they
    /// sort the variables, and the order is one of the things to compare.)
    pub fn command(self, venv: &Venv) -> Command {
        let python = &venv.python;
        let mut command = match self {
            Way::Stock => Command::new(python),
            Way::Built => {
                let mut command = Command::new(HOTSPUR);
                command.arg("--python").arg(python);
                command
            }
            Way::Installed => Command::new(venv.command()),
            Way::Module => {
                let mut command = Command::new(python);
                command.args(["-m", "hotspur"]);
                command
            }
        };
        clean(&mut command);
        command
    }
}

/// The reports that processes have left in a folder, by process id, and takes them away.
pub fn take_reports(folder: &Path) -> BTreeMap<OsString, String> {
    let mut reports = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        reports.insert(path.file_stem().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap());
        std::fs::remove_file(path).unwrap();
    }
    reports
}

/// Whether a report says that Hotspur was there until the end and has executed something.
pub fn is_real(report: &str) -> bool {
    let counted = |name: &str| {
        report
            .split_once(&format!("\"{name}\": "))
            .is_some_and(|(_, value)| value.starts_with(|digit: char| ('1'..='9').contains(&digit)))
    };
    report.contains("\"hook_still_installed\": true") && (counted("frames") || counted("entries"))
}
