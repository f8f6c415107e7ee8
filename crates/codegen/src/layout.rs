//! The layout of the embedder's structures, for code that reads and writes them by itself.

/// Offsets in bytes, unless the text says otherwise. All words are 64 bits wide.
///
/// The numbers are CPython's names of fields; the crate that knows CPython's private layout fills them in. What is
/// known here besides are rules that belong together with them: reference counts are 32 bits wide and negative if
/// immortal, an int's tag is eight times the number of digits plus 0, 1 or 2 for positive, zero and negative, digits
/// have 32 bits.
///
/// With a layout, ops believe what they are told about objects: `guard_shared_keys_version` and `guard_inline_values`
/// read what only instances of types with inline values have, `guard_function_version` what only functions have. A
/// guard of the type or of its version comes before.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are named as in CPython")]
pub struct Layout {
    /// Reference count of an object.
    pub ob_refcnt: i32,
    /// Type of an object.
    pub ob_type: i32,
    /// Version of a type: 32 bits.
    pub tp_version_tag: i32,
    /// Shared keys of instances of a type.
    pub ht_cached_keys: i32,
    /// Version of the keys of a dictionary: 32 bits.
    pub dk_version: i32,
    /// Keys of a dictionary.
    pub ma_keys: i32,
    /// Version of a function: 32 bits.
    pub func_version: i32,
    pub lv_tag: i32,
    pub ob_digit: i32,
    pub ob_fval: i32,
    /// Address of a list's items.
    pub list_ob_item: i32,
    /// For how many items a list has room, if code may append to it by itself.
    pub allocated: Option<i32>,
    /// Length of a list, tuple, array or bytearray.
    pub ob_size: i32,
    /// Description of an array: the typecode is its first byte.
    pub ob_descr: i32,
    /// First item of a tuple.
    pub tuple_ob_item: i32,
    /// Content of a cell.
    pub ob_ref: i32,
    /// First inline value of an instance.
    pub inline_values: i32,
    /// Whether the inline values are valid: a byte.
    pub inline_valid: i32,
    /// In which order the inline values were first written, if code may write that down by itself.
    pub inline_order: Option<InlineOrder>,
    /// Dictionary of an instance that keeps its attributes in inline values, if they are that dictionary's as well.
    pub managed_dict: i32,
    /// Globals of a frame.
    pub f_globals: i32,
    /// Builtins of a frame.
    pub f_builtins: i32,
    /// Dictionary of a module.
    pub md_dict: i32,
    /// Tables of dictionaries, if code looks into them by itself.
    pub tables: Option<Tables>,
    /// Position of a list or tuple iterator.
    pub it_index: i32,
    /// List or tuple of an iterator; null when it is exhausted.
    pub it_seq: i32,
    /// What an `enumerate` has, if code may look into it.
    pub enumerates: Option<Enumerates>,
    /// Next number of a range iterator.
    pub range_start: i32,
    pub range_step: i32,
    /// How many numbers a range iterator has left.
    pub range_len: i32,
    /// First local of a frame.
    pub localsplus: i32,
    /// Current instruction of a frame.
    pub instr_ptr: i32,
    /// Number of slots of a frame that is suspended: 32 bits.
    pub stacktop: i32,
    /// Whether a generator runs: a byte, negative if it is suspended, zero if it runs.
    pub gi_frame_state: i32,
    /// The frame in a generator.
    pub gi_iframe: i32,
    /// First instruction of a code object, of two bytes.
    pub co_code_adaptive: i32,
    /// Whether a thread's new coroutines are told where they are made: 32 bits.
    pub coroutine_origin_tracking_depth: i32,
    /// Frame that called a frame.
    pub previous: i32,
    /// Requests to a thread: the low eight bits.
    pub eval_breaker: i32,
    /// Top frame of a thread.
    pub current_frame: i32,
    /// Where tier 1 has got to ([`ExecState::landing`](crate::ExecState)): the instruction, one above the top of the
    /// stack, the frame. Kind: a byte, zero if execution goes on there.
    pub landing_kind: i32,
    pub landing_pc: i32,
    pub landing_sp: i32,
    pub landing_frame: i32,
    /// Address of True.
    pub true_object: u64,
    /// Address of False.
    pub false_object: u64,
    /// Where new numbers come from, if code may make them by itself.
    pub boxes: Option<Boxes>,
    /// How frames are pushed and left, if code may do that by itself.
    pub returns: Option<Returns>,
}

/// What it takes to push and to leave a frame, and what to look at before. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are named as in CPython")]
pub struct Returns {
    pub f_executable: i32,
    pub f_funcobj: i32,
    pub f_locals: i32,
    pub frame_obj: i32,
    /// 16 bits.
    pub return_offset: i32,
    /// A byte.
    pub owner: i32,
    /// 32 bits, of a thread.
    pub py_recursion_remaining: i32,
    pub datastack_chunk: i32,
    pub datastack_top: i32,
    pub datastack_limit: i32,
    /// Of a generator: the exception that it handles.
    pub gi_exc_state: i32,
    /// In that: the entry below on the stack of such exceptions.
    pub previous_item: i32,
    /// Of a thread: the top of that stack.
    pub exc_info: i32,
    /// Of a function.
    pub func_globals: i32,
    pub func_builtins: i32,
    /// Where the first frame lies in a chunk.
    pub chunk_data: i32,
    /// [`owner`](Self::owner) of a frame that lies on the data stack.
    pub owned_by_thread: u8,
    /// That of a frame that ends an activation.
    pub owned_by_c_stack: u8,
    pub co_extra: i32,
    /// In what that points to: what tier 1 keeps for the code.
    pub stream: i32,
    /// In that: what is to be subtracted from the address of a code unit; the rest is a quarter of the address of the word that stands for it.
    pub bias: i32,
    /// In the landing: what tier 1 keeps for the code.
    pub landing_stream: i32,
    /// Address of the word that says who evaluates frames.
    pub hook: u64,
    /// What is there as long as executors may push frames.
    pub evaluator: u64,
}

/// Fields of an `enumerate`. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are named as in CPython")]
pub struct Enumerates {
    pub en_index: i32,
    pub en_sit: i32,
    pub en_result: i32,
    /// Of an object that the collector can know: zero if it does not.
    pub gc_next: i32,
}

/// The order in which an instance's inline values were first written: their numbers, a byte each, behind the last value. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct InlineOrder {
    /// For how many values there is room: a byte.
    pub capacity: i32,
    /// How many were written: a byte.
    pub size: i32,
}

/// Where a dictionary without a table of its own values keeps them. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "fields are named as in CPython")]
pub struct Tables {
    /// Not null if the values are in a table of their own.
    pub ma_values: i32,
    /// A byte of the keys: zero if some are no strings.
    pub dk_kind: i32,
    /// Of the keys: how many entries there are.
    pub dk_nentries: i32,
    /// A byte of the keys: how many bytes the indices take.
    pub dk_log2_index_bytes: i32,
    /// The indices, behind which are the entries: key and value.
    pub dk_indices: i32,
    /// The type of dictionaries.
    pub dict_type: u64,
}

/// Ready-made numbers, and lists of dead ones: an address of the first, which refers to the next by its type field.
/// Four bytes at `room` behind that address count the places that are left.
#[derive(Clone, Copy, Debug)]
pub struct Boxes {
    /// The ints from -5 to 256, which are immortal.
    pub small_ints: u64,
    /// Bytes from one to the next.
    pub int_size: u32,
    /// List of ints with room for one digit.
    pub ints: u64,
    /// List of floats.
    pub floats: u64,
    /// Offset of the count of places.
    pub room: i32,
    /// The type of ints.
    pub int_type: u64,
    /// The type of floats.
    pub float_type: u64,
}
