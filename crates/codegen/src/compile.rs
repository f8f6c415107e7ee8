//! Superblock in, machine code out.

use crate::host::{Callee, Constants, ExitTable};
use crate::layout::Layout;
use crate::translate::{Region, Translator};
use core::fmt;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserFuncName, types};
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CompiledCode, Context, FinalizedRelocTarget};
use cranelift_entity::{EntityRef, PrimaryMap, SecondaryMap};
use cranelift_frontend::FunctionBuilderContext;
use hotspur_ir::{AbortReason, ExitId, ExitReason, SnapshotId, Superblock, Type, Value};
use std::time::{Duration, Instant};

/// Where a live value is when its snapshot is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Location {
    /// In [`ExecState::values`](crate::ExecState), at this index.
    Values(u32),
    /// Nowhere: it is always these bits (of an object, its address).
    Constant(u64),
}

/// A value that a snapshot needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    /// The value.
    pub value: Value,
    /// Its type.
    pub ty: Type,
    /// Where it is.
    pub location: Location,
}

/// What an embedder must know to make frames from a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotInfo {
    /// The values that it needs, each once.
    pub live: Box<[Live]>,
}

/// An exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExitInfo {
    /// Its number: its place in the table of exits.
    pub id: ExitId,
    /// Why it is taken.
    pub reason: ExitReason,
    /// The frames to be made.
    pub snapshot: SnapshotId,
    /// Bytes of machine code of its own. What exits share is in [`Sizes::shared_exits`].
    pub size: u32,
}

/// Bytes of machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// All.
    pub total: u32,
    /// Exits' own.
    pub exits: u32,
    /// What exits share: stores of live values, the jump to where the exit leads.
    pub shared_exits: u32,
    /// Other paths that are seldom taken: the last reference dropped, values absent.
    pub slow_paths: u32,
}

/// A place where the address of a callee is to be filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Relocation {
    /// Of four bytes: a distance from their end.
    pub offset: u32,
    /// To what.
    pub callee: Callee,
}

/// For people who look at machine code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Cranelift's IR, as Cranelift gets it.
    pub ir: String,
    /// What code is for: from each offset up to the next one. (Cranelift merges and moves instructions, so these are hints.)
    pub regions: Vec<(u32, Region)>,
    /// Where instructions end and constants begin.
    pub end: u32,
}

/// Machine code that is not installed yet. See [`CodeSpace::install`](crate::CodeSpace::install).
#[derive(Clone, Debug)]
pub struct Code {
    pub(crate) bytes: Vec<u8>,
    pub(crate) relocations: Vec<Relocation>,
    /// Exits in the order of their numbers.
    pub exits: Vec<ExitInfo>,
    /// Snapshots by their numbers; of those that no exit and no escaping op names, nothing is live.
    pub snapshots: PrimaryMap<SnapshotId, SnapshotInfo>,
    /// Bytes.
    pub sizes: Sizes,
    /// What it was made of, if that was asked for.
    pub listing: Option<Listing>,
    /// How long translating and compiling took.
    pub time: Duration,
}

impl Code {
    /// The machine code, with holes where callees' addresses go.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Mean bytes of an exit, with its share of what exits share.
    pub fn bytes_per_exit(&self) -> f64 {
        f64::from(self.sizes.exits + self.sizes.shared_exits) / self.exits.len().max(1) as f64
    }
}

/// Why there is no machine code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The reason, for statistics.
    pub reason: AbortReason,
    /// More, for logs.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Refusal {}

/// What a superblock is compiled against.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// How to read and write the embedder's structures; without it, everything is done by host functions, and by those of ops that
    /// compute.
    pub layout: Option<&'a Layout>,
    /// Addresses of objects and code objects.
    pub constants: &'a dyn Constants,
    /// The executor's exits.
    pub exits: ExitTable,
    /// Address of a byte that is not zero while the executor is valid; zero if the host is to be asked.
    pub valid: u64,
    /// Address of a word that is another one after a local of some frame was changed from outside; zero if the host is to be asked. With it
    /// go a layout that knows returns, a prologue, and `valid`.
    pub epoch: u64,
    /// What code does before anything else. With it goes a layout. Without it, whoever enters does all that.
    pub prologue: Option<Prologue>,
    /// Where it takes over from, if it is a bridge. With it goes a prologue.
    pub bridge: Option<&'a Bridge>,
    /// For tests: some guards fail although they hold.
    pub failing: Option<Failing>,
    /// Whether [`Code::listing`] is wanted.
    pub lists: bool,
}

/// For tests: one guard in so many fails although it holds, where that does no harm
/// ([`Superblock::may_leave_at_will`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failing {
    /// Address of 32 bits that count down to the next that fails.
    pub countdown: u64,
    /// What they begin with anew.
    pub every: u32,
}

/// What an executor's code does at its beginning, so that whoever leads there need not: it sets
/// [`ExecState::frame`](crate::ExecState) to the thread's top frame, and what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prologue {
    /// What [`ExecState::executor`](crate::ExecState) becomes.
    pub executor: u64,
    /// Address of a byte that becomes 1.
    pub warm: u64,
    /// Address of a word that counts runs.
    pub runs: u64,
    /// Address of a word that counts complete rounds of the loop, instead of [`ExecState::rounds`](crate::ExecState).
    pub rounds: u64,
}

/// How a superblock takes over from the exit of another one: its parameters are the live values of the exit's snapshot, and no frame is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bridge {
    /// Where the exit has left them.
    pub params: Box<[Location]>,
    /// Address of a word that counts how often the exit leads here.
    pub taken: u64,
    /// What is executed, nothing having been done, if the superblock may not be entered, or something asks the thread for attention.
    pub otherwise: u64,
}

/// Where a passage leads.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// To another executor.
    Executor {
        /// Address of a byte that is not zero while it may be entered.
        open: u64,
        /// Where its code begins.
        code: u64,
    },
    /// To tier 1.
    Tier1 {
        /// Where it goes on in the top frame's code.
        position: u32,
        /// Address of a word of 16 bits that counts down; when it is less than a step, the way is closed.
        counter: u64,
        /// What is taken off each time.
        step: u16,
    },
}

/// A way from an exit to another executor, or to tier 1.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// The exit's snapshot, which resumes at or after an instruction.
    pub snapshot: SnapshotId,
    /// Where the exit leaves live values: [`Code::snapshots`].
    pub live: &'a [Live],
    /// Address of a word that counts how often it is taken.
    pub taken: u64,
    /// Where it leads.
    pub goal: Goal,
    /// What is executed, nothing having been done, if it may not go there now, or something asks the thread for attention.
    pub otherwise: u64,
}

/// Choices that do not depend on the superblock.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Check Cranelift's input and the allocation of registers.
    pub checked: bool,
    /// Let Cranelift optimize loops; without it compiling takes less time.
    pub optimize: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { checked: cfg!(debug_assertions), optimize: true }
    }
}

/// A compiler for the machine that it runs on. It knows nothing of the thread that it is used from.
pub struct Compiler {
    /// For loops. Cranelift's optimizer takes a quarter to a third of the time of compilation, and makes code a few per cent faster, as what is
    /// there to be found has been found in the superblock already.
    loops: OwnedTargetIsa,
    /// For what goes round no loop.
    straight: OwnedTargetIsa,
    context: Context,
    functions: FunctionBuilderContext,
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").finish_non_exhaustive()
    }
}

/// The signature of a superblock's code.
pub(crate) fn superblock_signature() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    signature
}

fn target(options: Options, optimize: bool) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let on = |b: bool| if b { "true" } else { "false" };
    let chosen = [
        ("opt_level", if optimize { "speed" } else { "none" }),
        ("preserve_frame_pointers", "true"),
        ("enable_verifier", on(options.checked)),
        ("regalloc_checker", on(options.checked)),
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("is_pic", "false"),
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
    ];
    for (name, value) in chosen {
        flags.set(name, value).map_err(|e| format!("{name}: {e}"))?;
    }
    let mut isa = isa::lookup_by_name("x86_64-unknown-linux-gnu").map_err(|e| e.to_string())?;
    macro_rules! features {
        ($($feature:tt = $setting:literal),*) => {
            [$((std::arch::is_x86_feature_detected!($feature), $setting)),*]
        };
    }
    let features = features!(
        "sse3" = "has_sse3",
        "ssse3" = "has_ssse3",
        "sse4.1" = "has_sse41",
        "sse4.2" = "has_sse42",
        "avx" = "has_avx",
        "avx2" = "has_avx2",
        "bmi1" = "has_bmi1",
        "bmi2" = "has_bmi2",
        "lzcnt" = "has_lzcnt",
        "popcnt" = "has_popcnt"
    );
    for (_, setting) in features.into_iter().filter(|(there, _)| *there) {
        isa.enable(setting).map_err(|e| format!("{setting}: {e}"))?;
    }
    isa.finish(settings::Flags::new(flags)).map_err(|e| e.to_string())
}

impl Compiler {
    /// A compiler.
    ///
    /// # Errors
    /// Cranelift does not know the machine, or one of the settings: a message.
    pub fn new(options: Options) -> Result<Compiler, String> {
        Ok(Compiler {
            loops: target(options, options.optimize)?,
            straight: target(options, false)?,
            context: Context::new(),
            functions: FunctionBuilderContext::new(),
        })
    }

    /// Compiles a superblock, which the verifier must accept.
    ///
    /// # Errors
    /// A limit is exceeded, or Cranelift fails.
    pub fn compile(&mut self, sb: &Superblock, environment: &Environment<'_>) -> Result<Code, Refusal> {
        let start = Instant::now();
        self.context.clear();
        self.context.func = Function::with_name_signature(UserFuncName::default(), superblock_signature());
        let plan = {
            let translator = Translator::new(&mut self.context.func, &mut self.functions, sb, environment);
            translator.translate().inspect_err(|_| self.functions = FunctionBuilderContext::new())?
        };
        let ir = environment.lists.then(|| self.last_ir());
        let compiled = self.finish(sb.body.is_some())?;
        let mut exits: Vec<ExitInfo> =
            sb.exits().map(|e| ExitInfo { id: e.id, reason: e.reason, snapshot: e.snapshot, size: 0 }).collect();
        let mut sizes = Sizes { total: compiled.code_buffer().len() as u32, ..Sizes::default() };
        let (mut regions, mut end) = (Vec::new(), 0);
        for range in compiled.buffer.get_srclocs_sorted() {
            let size = range.end - range.start;
            end = end.max(range.end);
            let Some(region) = Region::of(range.loc) else { continue };
            if environment.lists {
                regions.push((range.start, region));
            }
            match region {
                Region::Hot(_) | Region::Beginning => {}
                Region::Slow(_) => sizes.slow_paths += size,
                Region::Shared => sizes.shared_exits += size,
                Region::Exit(id) => {
                    sizes.exits += size;
                    exits[id.index()].size += size;
                }
            }
        }
        let relocations = relocations(&compiled, &self.context.func)?;
        let bytes = compiled.code_buffer().to_vec();
        let mut snapshots: SecondaryMap<SnapshotId, SnapshotInfo> = plan.snapshots;
        let snapshots = sb.snapshots.keys().map(|id| std::mem::take(&mut snapshots[id])).collect();
        let listing = ir.map(|ir| Listing { ir, regions, end });
        Ok(Code { bytes, relocations, exits, snapshots, sizes, listing, time: start.elapsed() })
    }

    /// Compiles a way from an exit of a superblock to another executor. The environment is that of the superblock, and
    /// has a layout.
    ///
    /// # Errors
    /// A limit is exceeded, or Cranelift fails.
    pub fn compile_passage(
        &mut self,
        sb: &Superblock,
        environment: &Environment<'_>,
        passage: &Passage<'_>,
    ) -> Result<Code, Refusal> {
        let mut function = Function::with_name_signature(UserFuncName::default(), superblock_signature());
        {
            let translator = Translator::new(&mut function, &mut self.functions, sb, environment);
            translator.passage(passage).inspect_err(|_| self.functions = FunctionBuilderContext::new())?;
        }
        let ir = environment.lists.then(|| function.display().to_string());
        let code = self.stub(function)?;
        let end = code.bytes.len() as u32;
        Ok(Code { listing: ir.map(|ir| Listing { ir, regions: Vec::new(), end }), ..code })
    }

    /// Compiles the function that was built.
    fn finish(&mut self, is_loop: bool) -> Result<CompiledCode, Refusal> {
        let isa = if is_loop { &*self.loops } else { &*self.straight };
        let failed = |message: String| Refusal { reason: AbortReason::CompileFailed, message };
        self.context.compile(isa, &mut ControlPlane::default()).map_err(|e| failed(format!("{:?}", e.inner)))?;
        self.context.take_compiled_code().ok_or_else(|| failed("there is no code".into()))
    }

    /// Compiles a function that is built by hand.
    pub(crate) fn stub(&mut self, function: Function) -> Result<Code, Refusal> {
        self.context.clear();
        self.context.func = function;
        let compiled = self.finish(false)?;
        Ok(Code {
            bytes: compiled.code_buffer().to_vec(),
            relocations: relocations(&compiled, &self.context.func)?,
            exits: Vec::new(),
            snapshots: PrimaryMap::new(),
            sizes: Sizes::default(),
            listing: None,
            time: Duration::ZERO,
        })
    }

    /// The Cranelift IR of the function that was built, or compiled, last.
    pub fn last_ir(&self) -> String {
        self.context.func.display().to_string()
    }

    pub(crate) fn builder_context(&mut self) -> &mut FunctionBuilderContext {
        &mut self.functions
    }
}

fn relocations(compiled: &CompiledCode, function: &Function) -> Result<Vec<Relocation>, Refusal> {
    let failed = |message: String| Refusal { reason: AbortReason::CompileFailed, message };
    let mut found = Vec::new();
    for reloc in compiled.buffer.relocs() {
        let callee =
            if let FinalizedRelocTarget::ExternalName(cranelift_codegen::ir::ExternalName::User(name)) = reloc.target {
                let index = function.params.user_named_funcs()[name].index as usize;
                Callee::all().nth(index)
            } else {
                None
            };
        let is_call = reloc.kind == cranelift_codegen::binemit::Reloc::X86CallPCRel4 && reloc.addend == -4;
        match (callee, is_call) {
            (Some(callee), true) => found.push(Relocation { offset: reloc.offset, callee }),
            _ => return Err(failed(format!("{reloc:?}"))),
        }
    }
    Ok(found)
}
