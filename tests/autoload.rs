//! `hotspur autoload on|off|status`.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::*;

const ASK: &str = "import hotspur; print(hotspur.is_enabled())";

fn python(venv: &Venv, arguments: &[&str]) -> Command {
    let mut command = Command::new(&venv.python);
    clean(command.args(arguments));
    command
}

#[test]
fn on_and_off_again() {
    let venv = Venv::with_hotspur("autoload");
    let file = venv.site.join("hotspur-autoload.pth");
    let autoload = |way: Way, verb: &str| {
        let outcome = run(way.command(&venv).args(["autoload", verb]), "");
        assert!(outcome.status.success() && outcome.stderr.is_empty(), "{outcome:?}");
        assert!(outcome.stdout.contains(file.to_str().unwrap()), "{outcome:?}");
        outcome.stdout
    };
    let ask = |arguments: &[&str]| run(&mut python(&venv, arguments), "");
    for way in Way::HOTSPUR {
        let before: Vec<_> = std::fs::read_dir(&venv.site).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(autoload(way, "status").starts_with("autoload is off"));
        assert_eq!(ask(&["-c", ASK]).stdout, "False\n");
        assert!(autoload(way, "on").starts_with("autoload is on"));
        assert!(autoload(way, "on").starts_with("autoload is on"));
        assert!(autoload(way, "status").starts_with("autoload is on"));
        // Every start: scripts, flags, child processes; but not where the user or a flag says no.
        assert_eq!(ask(&["-c", ASK]).stdout, "True\n");
        assert_eq!(ask(&["-I", "-O", "-c", ASK]).stdout, "True\n");
        let child = format!("import subprocess, sys; subprocess.run([sys.executable, '-c', {ASK:?}])");
        assert_eq!(ask(&["-c", &child]).stdout, "True\n");
        let spawned = "import multiprocessing as m, hotspur\n\
                       if __name__ == '__main__':\n with m.get_context('spawn').Pool(1) as pool: print(pool.apply(hotspur.is_enabled))";
        assert_eq!(ask(&["-c", spawned]).stdout, "True\n");
        let off = run(python(&venv, &["-c", ASK]).env("HOTSPUR", "0"), "");
        assert_eq!((off.stdout.as_str(), off.stderr.as_str()), ("False\n", ""));
        let code = "import sys; print([name for name in sys.modules if 'hotspur' in name])";
        let off = run(python(&venv, &["-c", code]).env("HOTSPUR", "0"), "");
        assert_eq!(off.stdout, "[]\n");
        assert_eq!(ask(&["-S", "-c", code]).stdout, "[]\n");
        // Together with the launcher, of the same engine or another one: one of them is enabled, and nobody complains.
        for way in Way::HOTSPUR {
            let outcome = run(way.command(&venv).args(["-c", ASK]), "");
            assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("True\n", ""), "{way:?}");
        }
        assert!(autoload(way, "off").starts_with("autoload is off"));
        assert!(autoload(way, "off").starts_with("autoload is off"));
        assert_eq!(ask(&["-c", ASK]).stdout, "False\n");
        let after: Vec<_> = std::fs::read_dir(&venv.site).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(before, after);
    }
}

#[test]
fn a_package_that_is_gone_disturbs_nobody() {
    let venv = Venv::with_hotspur("autoload-gone");
    assert!(run(Way::Installed.command(&venv).args(["autoload", "on"]), "").status.success());
    std::fs::remove_dir_all(venv.site.join("hotspur")).unwrap();
    let outcome = run(&mut python(&venv, &["-c", "print(1)"]), "");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("1\n", ""));
}

#[test]
fn refusals() {
    // Not installed: the command that cargo builds says what to do.
    let venv = Venv::empty("autoload-missing");
    let outcome = run(Way::Built.command(&venv).args(["autoload", "on"]), "");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains("needs Hotspur to be installed"), "{outcome:?}");
    assert!(outcome.stderr.contains("-m pip install"), "{outcome:?}");

    // A folder that cannot be written to. (A folder in the place of the file stops even the superuser.)
    let venv = Venv::with_hotspur("autoload-read-only");
    let file = venv.site.join("hotspur-autoload.pth");
    std::fs::create_dir(&file).unwrap();
    for verb in ["on", "off"] {
        let outcome = run(Way::Installed.command(&venv).args(["autoload", verb]), "");
        assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
        assert!(outcome.stderr.starts_with(&format!("hotspur: cannot switch autoload {verb}: ")), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1);
    }
    std::fs::remove_dir(&file).unwrap();
    std::fs::set_permissions(&venv.site, std::fs::Permissions::from_mode(0o555)).unwrap();
    let writable = std::fs::write(venv.site.join("try"), "").is_ok();
    let outcome = run(Way::Installed.command(&venv).args(["autoload", "on"]), "");
    assert_eq!(outcome.status.code(), Some(if writable { 0 } else { 1 }), "{outcome:?}");
    std::fs::set_permissions(&venv.site, std::fs::Permissions::from_mode(0o755)).unwrap();
}
