//! What is to be shown of traces: the log and dumps. The engine reads the texts; here is only what they are called.

use crate::command_line::choice;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

choice! {
    /// What `--dump` prints of a trace.
    DumpStage {
        /// The instructions of the code objects that the trace went through.
        Bytecode = "bytecode",
        /// The superblock as it was recorded.
        Recorded = "ir",
        /// The superblock as the optimizer left it.
        Optimized = "opt",
        /// Cranelift's IR.
        Cranelift = "clif",
        /// Machine code.
        Assembly = "asm",
        /// Exits, with where they led in the end.
        Exits = "exits",
    }
}

impl DumpStage {
    /// The stages in a list with commas.
    ///
    /// # Errors
    /// What is no stage.
    pub fn list(names: &OsStr) -> Result<Vec<DumpStage>, OsString> {
        let words = names.as_bytes().split(|&byte| byte == b',').map(OsStr::from_bytes);
        words.map(|word| DumpStage::from_name(word).ok_or_else(|| word.to_owned())).collect()
    }
}

macro_rules! views {
    ($($(#[doc = $doc:literal])+ $field:ident = $option:literal $variable:literal $alone:expr;)*) => {
        /// What is to be shown of traces: texts, as the environment variables have them.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Views { $($(#[doc = $doc])+ pub $field: Option<OsString>),* }

        impl Views {
            /// What the environment says.
            pub fn from_environment() -> Views {
                let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
                Views { $($field: variable($variable)),* }
            }

            /// The same with what was chosen on the command line.
            #[must_use]
            pub fn with(self, chosen: Views) -> Views {
                Views { $($field: chosen.$field.or(self.$field)),* }
            }

            /// All of them, in an order that does not change.
            pub(crate) fn all(&self) -> Vec<Option<&OsStr>> {
                vec![$(self.$field.as_deref()),*]
            }

            /// The reverse.
            pub(crate) fn from_all(mut next: impl FnMut() -> Option<Option<OsString>>) -> Option<Views> {
                Some(Views { $($field: next()?),* })
            }

            /// The option with this name, with what it means without a value, if it needs none.
            pub(crate) fn option(&mut self, name: &[u8]) -> Option<(&'static str, Option<&'static str>, &mut Option<OsString>)> {
                $(if name == $option.as_bytes() { return Some(($option, $alone, &mut self.$field)); })*
                None
            }
        }
    };
}

views! {
    /// `--log[=FILE]`: where to, `-` being standard error.
    log = "--log" "HOTSPUR_LOG" Some("-");
    /// `--dump=WHAT,...`, see [`DumpStage::list`].
    dump = "--dump" "HOTSPUR_DUMP" None;
    /// `--dump-function=NAME,...`
    dump_function = "--dump-function" "HOTSPUR_DUMP_FUNCTION" None;
    /// `--dump-to=FILE`
    dump_to = "--dump-to" "HOTSPUR_DUMP_TO" None;
    /// `--gdb`
    gdb = "--gdb" "HOTSPUR_GDB" Some("1");
    /// `--perf`
    perf = "--perf" "HOTSPUR_PERF_MAP" Some("1");
}
