//! What machine code asks of the embedder: functions, addresses, the state that both work on.
//!
//! # Functions
//!
//! `host_functions!` is the one table of functions that machine code calls, helpers apart. A row names the function and
//! its arguments; derived from it are [`HostFn`] (by which code names it), [`HostFunctions`] (which the embedder fills)
//! and the machine signatures. All of them are `extern "C-unwind"` and take the [`ExecState`] first. With a
//! [`Layout`](crate::Layout), code does most of what they do by itself.
//!
//! Helpers ([`Helper`]) have a signature that follows from their own table: the state, then for each argument an object
//! ([`Object`]), an `i64` or an `f64`. After the arguments that it always has, a variadic helper takes a pointer to the
//! others and their number as a `u64`; they lie in [`ExecState::values`] from index 1, so that one more can be put
//! before them.
//!
//! A panic must not get into machine code: it would leave frames half written. (`pthread_exit` may unwind it: see
//! `unwind.rs`.)

use core::ffi::c_void;
use cranelift_codegen::ir::{self as clif, AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use hotspur_ir::{CodeRef, Helper, ObjRef, OpInfo, Opcode, OperandKind, Type};

/// How many values a snapshot, or the fields of an object, may have in [`ExecState::values`].
pub const MAX_VALUES: usize = 128;
/// How many parameters a superblock may have.
pub const MAX_PARAMS: usize = 16;

/// An object's address, or null.
pub type Object = *mut c_void;

/// What machine code and embedder share while executors run: one for each time that tier 1 enters them.
///
/// Fields that code uses most come first, where the shortest addressing modes reach.
#[repr(C)]
#[derive(Debug)]
pub struct ExecState {
    /// The frame where the superblock that runs began (depth 0). Whoever enters an executor, or goes on in another one,
    /// sets it. Code reads it with a `Layout` only.
    pub frame: *mut c_void,
    /// The thread state. Code reads it with a `Layout` only.
    pub thread: *mut c_void,
    /// Where the instruction that tier 1 executed last has led: see [`Layout`](crate::Layout). Code reads it with a
    /// layout only, directly after `execute`.
    pub landing: *mut c_void,
    /// Not zero: other code changed or kept what was published, so the check of validity exits. Set by the host.
    pub disturbed: u8,
    /// Live values of a snapshot, where [`SnapshotInfo::live`](crate::SnapshotInfo) says: at an exit, and when
    /// something is published. Also fields of objects to be built, locals of frames to be pushed, arguments of a
    /// variadic helper. Bits of doubles; of truth values the low byte counts. They lie here because the first 128 bytes of a structure are
    /// reached by shorter instructions.
    pub values: [u64; MAX_VALUES],
    /// The frame that the host has pushed: set by `push_frame` and `push_generator`, and read by code with a `Layout` behind these.
    pub top: *mut c_void,
    /// The entry in the table of exits ([`ExitTable`]) of the exit that was taken last.
    pub exit: *mut c_void,
    /// The executor that runs, as its [`Prologue`](crate::Prologue) names it. Set by its own code.
    pub executor: *mut c_void,
    /// What an exit takes along besides live values: the position of a dynamic exit.
    pub result: u64,
    /// How many times the loop of the executor went round completely. Whoever enters an executor sets it to zero.
    pub rounds: u64,
    /// Arguments for the parameters of the executor that is linked to.
    pub args: [u64; MAX_PARAMS],
    /// The embedder's own.
    pub host: *mut c_void,
}

/// The table of an executor's exits, which the embedder makes before it compiles: `stride` bytes for each.
#[derive(Clone, Copy, Debug)]
pub struct ExitTable {
    /// Address of the entry of exit 0.
    pub base: u64,
    /// Bytes from one to the next.
    pub stride: u32,
    /// Where in an entry the address of the code lies that the exit goes to: at first that of
    /// [`CodeSpace::cold_exit`](crate::CodeSpace::cold_exit).
    pub code: u32,
}

/// Addresses of what a superblock refers to.
pub trait Constants {
    /// The object's address.
    fn object(&self, object: ObjRef) -> u64;
    /// The code object's address.
    fn code(&self, code: CodeRef) -> u64;
    /// How many locals a frame for the code has: its value stack lies behind them.
    fn locals(&self, code: CodeRef) -> u32;
    /// How much a frame for the code counts for the recursion limit.
    fn counted(&self, _: CodeRef) -> i32 {
        1
    }
    /// How many words a frame for the code takes, and the address of its first code unit, if code may push such frames by itself.
    fn frame(&self, _: CodeRef) -> Option<(u32, u64)> {
        None
    }
    /// For a frame that waits for a call at this position: the address of the code unit, and how many of them behind it goes on.
    fn suspended(&self, _: CodeRef, _pc: u32) -> Option<(u64, u16)> {
        None
    }
    /// The address of the instruction at this position of the code, as tier 1 has it.
    fn instruction(&self, code: CodeRef, pc: u32) -> u64;
    /// The address of what tier 1 keeps for the code.
    fn stream(&self, code: CodeRef) -> u64;
}

/// A type in a signature.
pub(crate) trait Abi {
    fn param() -> AbiParam;
}

macro_rules! abi {
    ($($ty:ty = $param:expr;)*) => { $(impl Abi for $ty {
        fn param() -> AbiParam {
            $param
        }
    })* };
}

abi! {
    Object = AbiParam::new(types::I64);
    *const u8 = AbiParam::new(types::I64);
    u64 = AbiParam::new(types::I64);
    i64 = AbiParam::new(types::I64);
    u32 = AbiParam::new(types::I32).uext();
    f64 = AbiParam::new(types::F64);
    bool = AbiParam::new(types::I8).uext();
}

macro_rules! host_functions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident($($arg:ident: $ty:ty),*) $(-> $result:ty)?;)*) => {
        /// A function of the host. See [`HostFunctions`].
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        pub enum HostFn { $($(#[doc = $doc])+ $variant),* }

        impl HostFn {
            /// Every function, in the order of the table.
            pub const ALL: &[HostFn] = &[$(HostFn::$variant),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(HostFn::$variant => stringify!($name)),* }
            }

            fn params(self) -> (Vec<AbiParam>, Option<AbiParam>) {
                match self { $(HostFn::$variant => {
                    (vec![$(<$ty as Abi>::param()),*], [$(Some(<$result as Abi>::param()),)? None][0])
                })* }
            }
        }

        /// The embedder's functions. Unless the text says otherwise, each does what the op of its name does.
        #[derive(Clone, Copy, Debug)]
        pub struct HostFunctions {
            $($(#[doc = $doc])+ pub $name: unsafe extern "C-unwind" fn(*mut ExecState $(, $ty)*) $(-> $result)?,)*
            /// Helpers, in the order of [`Helper::ALL`], with the signatures that the module's documentation describes.
            pub helpers: [*const c_void; Helper::ALL.len()],
        }

        impl HostFunctions {
            /// The function's address.
            pub fn address(&self, function: HostFn) -> u64 {
                match function { $(HostFn::$variant => self.$name as usize as u64),* }
            }
        }
    };
}

host_functions! {
    /// A local of the frame at this depth.
    LoadLocal = load_local(depth: u32, index: u32) -> Object;
    /// An item of the value stack of the frame at this depth.
    LoadStack = load_stack(depth: u32, index: u32) -> Object;
    /// The globals of the frame at this depth.
    LoadGlobals = load_globals(depth: u32) -> Object;
    /// Its builtins.
    LoadBuiltins = load_builtins(depth: u32) -> Object;
    /// Writes a local.
    SpillLocal = spill_local(depth: u32, index: u32, value: Object);
    /// Writes an item of the value stack.
    SpillStack = spill_stack(depth: u32, index: u32, value: Object);
    /// Pushes a frame. Its locals, as many as `count`, are in `values` from index 0. The caller's stack has this height.
    PushFrame = push_frame(code: Object, caller_pc: u32, caller_stack: u32, function: Object, count: u32);
    /// Drops the top frame. The snapshot has been published.
    PopFrame = pop_frame();
    /// Returns the value from the top frame. The references to be dropped, as many as `count`, are in `values` from index 0.
    /// Sets `top`.
    ReturnValue = return_value(value: Object, count: u32);

    /// The thread's current frame is this one, a caller to which a value is returned: notes where that leads. Needed with a layout
    /// that knows returns, as are the next two.
    Land = land(frame: Object, value: Object);
    /// Gives back the memory of a frame that was left, the first of its chunk.
    GiveBack = give_back(frame: Object);
    /// Frees an object whose reference count has become zero while a frame is being left: other code may run.
    DeallocReturning = dealloc_returning(value: Object);

    /// Lets other code see the frames of the snapshot, whose live values are in `values`.
    Publish = publish(snapshot: u32);
    /// Takes back what was published last: see `disturbed`.
    Withdraw = withdraw();
    /// Other code has changed locals that it could see, or made the executor invalid, while the frames of the snapshot (its live values are in `values`)
    /// were shown by code itself, which has taken a reference for each object that is not `own`: does what `withdraw` does. Called only with an
    /// epoch.
    Settle = settle(snapshot: u32);
    /// Frees an object whose reference count has become zero, the snapshot being published meanwhile (its live values
    /// are in `values`). Whether the superblock may go on as if no other code had run: as `is_valid`.
    DeallocPublished = dealloc_published(snapshot: u32, value: Object) -> bool;

    /// The object's type.
    TypeOf = type_of(value: Object) -> Object;
    /// The version of the object's type.
    TypeVersion = type_version(value: Object) -> u32;
    /// The version of the object, which is a class.
    ClassVersion = class_version(class: Object) -> u32;
    /// The version of the keys of a dictionary.
    KeysVersion = keys_version(dict: Object) -> u32;
    /// The version of the keys that instances of the object's type share.
    SharedKeysVersion = shared_keys_version(value: Object) -> u32;
    /// The version of the keys that instances of the object, which is a class, share.
    InstanceKeysVersion = instance_keys_version(class: Object) -> u32;
    /// The version of a dictionary that the host watches.
    GlobalVersion = global_version(dict: Object) -> u32;
    /// The version of a function.
    FunctionVersion = function_version(function: Object) -> u32;
    /// Whether the int has at most one digit.
    IsCompact = is_compact(value: Object) -> bool;
    /// Whether the int has at most two digits.
    IsWide = is_wide(value: Object) -> bool;
    /// Whether the instance keeps its attributes in inline values.
    HasInlineValues = has_inline_values(value: Object) -> bool;
    /// Whether the attributes of an instance with inline values are not those of a dictionary as well.
    HasNoDict = has_no_dict(value: Object) -> bool;
    /// Whether there is more than one reference.
    IsShared = is_shared(value: Object) -> bool;
    /// Whether the executor is valid, and nothing that was published was changed or kept (`check_validity`).
    IsValid = is_valid() -> bool;
    /// Whether something asks the thread for attention.
    IsPeriodicDue = is_periodic_due() -> bool;
    /// Whether the top frame is plain.
    IsPlainFrame = is_plain_frame() -> bool;
    /// Whether frames may be pushed.
    HasStackSpace = has_stack_space() -> bool;

    /// The value of a compact int.
    UnboxI64 = unbox_i64(value: Object) -> i64;
    /// The value of an int of at most two digits.
    UnboxWide = unbox_wide(value: Object) -> i64;
    /// An int of that value.
    BoxI64 = box_i64(value: i64) -> Object;
    /// The value of a float.
    UnboxF64 = unbox_f64(value: Object) -> f64;
    /// A float of that value.
    BoxF64 = box_f64(value: f64) -> Object;
    /// Whether the object is True.
    UnboxBool = unbox_bool(value: Object) -> bool;
    /// True or False, borrowed.
    BoxBool = box_bool(value: bool) -> Object;

    /// An attribute in the inline values.
    LoadInline = load_inline(value: Object, index: u32) -> Object;
    /// Writes an attribute in the inline values.
    StoreInline = store_inline(value: Object, index: u32, content: Object);
    /// The attribute in a slot.
    LoadSlot = load_slot(value: Object, offset: u32) -> Object;
    /// Writes the attribute in a slot.
    StoreSlot = store_slot(value: Object, offset: u32, content: Object);
    /// The length of a list.
    ListLen = list_len(list: Object) -> i64;
    /// The address of the items of a list.
    ListItems = list_items(list: Object) -> u64;
    /// An item of a list.
    LoadItem = load_item(items: u64, index: i64) -> Object;
    /// Writes an item of a list.
    StoreItem = store_item(items: u64, index: i64, content: Object);
    /// The length of a tuple.
    TupleLen = tuple_len(tuple: Object) -> i64;
    /// An item of a tuple.
    LoadTupleItem = load_tuple_item(tuple: Object, index: i64) -> Object;
    /// The typecode of an array.
    Typecode = typecode(array: Object) -> u32;
    /// How many elements an array or bytearray has.
    ArrayLen = array_len(array: Object) -> i64;
    /// The address of its elements.
    ArrayElements = array_elements(array: Object, offset: u32) -> u64;
    /// The address of elements that lie in the object.
    InnerElements = inner_elements(object: Object, offset: u32) -> u64;
    /// An element. The kind is an [`IntKind`](hotspur_ir::IntKind) by its number.
    LoadElementI64 = load_element_i64(elements: u64, index: i64, kind: u32) -> i64;
    /// An element. The kind is a [`FloatKind`](hotspur_ir::FloatKind) by its number.
    LoadElementF64 = load_element_f64(elements: u64, index: i64, kind: u32) -> f64;
    /// Writes an element; the kind as above.
    StoreElementI64 = store_element_i64(elements: u64, index: i64, kind: u32, content: i64);
    /// Writes an element; the kind as above.
    StoreElementF64 = store_element_f64(elements: u64, index: i64, kind: u32, content: f64);
    /// The content of a cell.
    LoadCell = load_cell(cell: Object) -> Object;
    /// Writes the content of a cell.
    StoreCell = store_cell(cell: Object, content: Object);
    /// The value in an entry of a dictionary.
    LoadDictValue = load_dict_value(dict: Object, index: u32) -> Object;
    /// Writes the value in an entry of a dictionary.
    StoreDictValue = store_dict_value(dict: Object, index: u32, content: Object);
    /// The dictionary of a module.
    ModuleDict = module_dict(module: Object) -> Object;

    /// Takes a reference.
    Incref = incref(value: Object);
    /// Drops a reference, without freeing. Whether none is left.
    Decref = decref(value: Object) -> bool;
    /// Drops a reference; if it is the last one, frees the object, which runs no code.
    DecrefNoDealloc = decref_no_dealloc(value: Object);
    /// Frees an object of those whose freeing runs no code, its count having become zero.
    DeallocSimple = dealloc_simple(value: Object);

    /// Builds an object. The kind is a [`VirtualKind`](hotspur_ir::VirtualKind) by its number; the fields, as many as
    /// `count`, are in `values` from index 0, objects with references that pass to it. Attributes that are not given
    /// are absent.
    Build = build(kind: u32, count: u32) -> Object;
    /// An instance of a class; all attributes are absent.
    NewInstance = new_instance(class: Object) -> Object;

    /// The next item of a list iterator, or null.
    ListIterNext = list_iter_next(iter: Object) -> Object;
    /// The next item of a tuple iterator, or null.
    TupleIterNext = tuple_iter_next(iter: Object) -> Object;
    /// The next number of a range iterator, which has one.
    RangeIterNext = range_iter_next(iter: Object) -> i64;
    /// Whether a list iterator has no next item.
    IsListIterDone = is_list_iter_done(iter: Object) -> bool;
    /// Whether a tuple iterator has no next item.
    IsTupleIterDone = is_tuple_iter_done(iter: Object) -> bool;
    /// Whether a range iterator has no next number.
    IsRangeIterDone = is_range_iter_done(iter: Object) -> bool;

    /// Whether the generator is suspended at this position of the code.
    IsSuspendedAt = is_suspended_at(generator: Object, code: Object, pc: u32) -> bool;
    /// Whether new coroutines need not be told where they are made.
    IsUntracked = is_untracked() -> bool;
    /// A slot of the generator's frame.
    LoadGenerator = load_generator(generator: Object, index: u32) -> Object;
    /// Writes a slot of the generator's frame.
    StoreGenerator = store_generator(generator: Object, index: u32, content: Object);
    /// The globals of the generator's frame.
    GeneratorGlobals = generator_globals(generator: Object) -> Object;
    /// Its builtins.
    GeneratorBuiltins = generator_builtins(generator: Object) -> Object;
    /// The generator runs.
    ResumeGenerator = resume_generator(generator: Object);
    /// The generator is suspended.
    SuspendGenerator = suspend_generator(generator: Object, code: Object, pc: u32, stack: u32, delegates: bool);
    /// Pushes the frame of a generator. The stack of the one below has this height. Sets `top`.
    PushGenerator = push_generator(generator: Object, caller_pc: u32, caller_stack: u32);
    /// Takes the frame of a generator off.
    PopGenerator = pop_generator();
    /// Whether the frame below the first is suspended at this position of the code.
    IsCallerAt = is_caller_at(code: Object, pc: u32) -> bool;
    /// Takes the first frame, a generator's, off. Sets `frame`.
    UnlinkFirst = unlink_first() -> Object;
    /// Clears the frame of a generator, the snapshot being published meanwhile (its live values are in `values`).
    FinishGenerator = finish_generator(snapshot: u32, generator: Object);
    /// A generator. Its locals, as many as `count`, are in `values` from index 0.
    NewGenerator = new_generator(code: Object, pc: u32, function: Object, count: u32) -> Object;

    /// Has tier 1 execute an instruction. All frames are in memory; the snapshot has nothing live. `instruction` and
    /// `stream` are what [`Constants`] says. With a layout, `frame` is the top frame and `sp` the address above its
    /// stack; otherwise both are zero. Sets `top`.
    Execute = execute(snapshot: u32, instruction: u64, frame: u64, sp: u64, stream: u64);
    /// Whether that led where `guard_landed` says, and the executor is valid. `moves` is a
    /// [`Moves`](hotspur_ir::Moves) by its number.
    HasLanded = has_landed(code: Object, pc: u32, moves: u32, stack: u32) -> bool;

    /// An exit was taken that leads nowhere yet (`exit` is its entry). The answer is the code to go on with, or null to
    /// leave machine code.
    SideExit = side_exit() -> *const u8;
}

/// What code calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Callee {
    /// A function of the host.
    Host(HostFn),
    /// A helper.
    Helper(Helper),
    /// The function of an op that computes.
    Computes(Opcode),
}

impl Callee {
    /// How many there are.
    pub(crate) const COUNT: usize = HostFn::ALL.len() + Helper::ALL.len() + Opcode::COMPUTING.len();

    /// Every callee, by number.
    pub(crate) fn all() -> impl Iterator<Item = Callee> {
        let hosts = HostFn::ALL.iter().map(|&f| Callee::Host(f));
        let helpers = Helper::ALL.iter().map(|&h| Callee::Helper(h));
        hosts.chain(helpers).chain(Opcode::COMPUTING.iter().map(|&op| Callee::Computes(op)))
    }

    /// Its number.
    pub(crate) fn number(self) -> usize {
        let ops = HostFn::ALL.len() + Helper::ALL.len();
        match self {
            Callee::Host(f) => f as usize,
            Callee::Helper(h) => HostFn::ALL.len() + h as usize,
            Callee::Computes(op) => ops + Opcode::COMPUTING.iter().position(|&o| o == op).expect("it computes"),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Callee::Host(f) => f.name(),
            Callee::Helper(h) => h.info().name,
            Callee::Computes(op) => op.info().name,
        }
    }

    /// Its address.
    pub(crate) fn address(self, functions: &HostFunctions) -> u64 {
        match self {
            Callee::Host(f) => functions.address(f),
            Callee::Helper(h) => functions.helpers[h as usize] as u64,
            Callee::Computes(op) => op.function().expect("it computes") as u64,
        }
    }

    /// Its machine signature.
    pub(crate) fn signature(self) -> Signature {
        let mut signature = Signature::new(CallConv::SystemV);
        let (params, result) = match self {
            Callee::Host(f) => f.params(),
            Callee::Helper(h) => helper_params(h),
            Callee::Computes(op) => {
                computing(op.info(), &mut signature);
                return signature;
            }
        };
        signature.params.push(AbiParam::new(types::I64));
        signature.params.extend(params);
        // What a function of Rust or C returns has undefined high bits, and Cranelift expects none.
        signature.returns.extend(result.map(|r| AbiParam::new(r.value_type)));
        signature
    }
}

/// The signature of [`Opcode::function`].
fn computing(op: &OpInfo, signature: &mut Signature) {
    signature.params.extend(op.fields.iter().map(|(_, kind)| match kind.operand() {
        Some(OperandKind::Unboxed(Type::F64)) => AbiParam::new(types::F64),
        Some(OperandKind::Unboxed(Type::I64)) => AbiParam::new(types::I64),
        // A truth value, or the number of a comparison.
        _ => AbiParam::new(types::I8).uext(),
    }));
    match (op.effects.exits, op.result.ty()) {
        // An [`hotspur_ir::Answer`].
        (Some(_), _) => signature.returns.extend([AbiParam::new(types::I64); 2]),
        (None, ty) => signature.returns.extend(ty.map(|ty| AbiParam::new(machine_type(ty)))),
    }
}

fn helper_params(helper: Helper) -> (Vec<AbiParam>, Option<AbiParam>) {
    let info = helper.info();
    let ty = |kind: &OperandKind| match kind {
        OperandKind::Borrowed | OperandKind::Stolen | OperandKind::Any => types::I64,
        OperandKind::Unboxed(ty) => machine_type(*ty),
    };
    let more = if info.more.is_some() { 2 } else { 0 };
    let params = info.args.iter().map(ty).chain(std::iter::repeat_n(types::I64, more));
    (params.map(AbiParam::new).collect(), info.result.ty().map(|t| AbiParam::new(machine_type(t))))
}

/// How a value is held in machine code.
pub(crate) fn machine_type(ty: Type) -> clif::Type {
    match ty {
        Type::Obj | Type::I64 | Type::Ptr => types::I64,
        Type::F64 => types::F64,
        Type::Bool => types::I8,
    }
}
