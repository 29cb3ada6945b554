//! An NVIDIA GPU through its driver, which is opened at run time.
//!
//! Calls return before the work is done, but for copies of 64 KiB and more; what goes wrong in a kernel is reported by a later call.
//! Everything is put on one stream, so that work is done in the order of the calls.

#[cfg(feature = "nccl")]
mod nccl;
mod pinned;

use std::collections::HashMap;
use std::ffi::{CString, c_void};

use cudarc::driver::result::{self, DriverError, stream::StreamKind};
use cudarc::driver::sys;
use inkgrad_kernels::launch::{Device, Error, Launch, Result};

#[cfg(feature = "nccl")]
use inkgrad_kernels::launch::Transfer;

use self::pinned::Pinned;

/// The oldest driver whose functions are used, as the driver counts: CUDA 12.0.
const OLDEST_DRIVER: i32 = 12_000;
/// Room for the compiler's messages.
const LOG: usize = 8192;

/// A GPU of this machine.
#[derive(Debug)]
pub struct Cuda {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    /// Bytes of shared memory that a block may have, if its kernel has asked for more than 48 KiB.
    shared: i32,
    architecture: u32,
    modules: Vec<sys::CUmodule>,
    functions: HashMap<String, sys::CUfunction>,
    graphs: HashMap<u64, (sys::CUgraph, sys::CUgraphExec)>,
    /// The memory that large copies go through, from the first of them on.
    pinned: Option<Pinned>,
    /// Other processes' GPUs, once they were joined.
    #[cfg(feature = "nccl")]
    group: Option<nccl::Group>,
}

// SAFETY: the driver's handles may be used from any thread; each call makes its context current first.
unsafe impl Send for Cuda {}

/// The driver's message about a failure, in one line.
fn failed(what: &str) -> impl FnOnce(DriverError) -> Error + '_ {
    move |error| {
        let name = error.error_name().ok().and_then(|name| name.to_str().ok()).unwrap_or("unknown error");
        let text = error.error_string().ok().and_then(|text| text.to_str().ok()).unwrap_or("no description");
        Error::Driver(format!("{what}: {text} ({name})"))
    }
}

/// Why the driver's library cannot be opened; a static program opens none, whether it is installed or not.
fn no_driver(is_static: bool) -> &'static str {
    match is_static {
        true => "this program is linked statically and cannot open libcuda, expected one built for glibc",
        false => "no NVIDIA driver is installed (libcuda is not found)",
    }
}

/// Whether a driver is there that is new enough, and what its first GPU is called.
///
/// # Errors
/// If not: one line with what is missing.
pub fn probe() -> Result<String> {
    count()?;
    let device = result::device::get(0).map_err(failed("the first GPU"))?;
    let name = result::device::get_name(device).map_err(failed("the first GPU's name"))?;
    // Ranks on several of them can use it.
    #[cfg(feature = "nccl")]
    let name = format!("{name}; {}", nccl::probe().unwrap_or_else(|error| error.to_string()));
    Ok(name)
}

/// How many GPUs there are for a driver that is new enough.
///
/// # Errors
/// If there is none: one line with what is missing.
fn count() -> Result<usize> {
    // SAFETY: looks for a library by its name and opens it.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::Driver(no_driver(cfg!(all(unix, target_feature = "crt-static"))).into()));
    }
    result::init().map_err(failed("the NVIDIA driver does not start"))?;
    let mut version = 0;
    // SAFETY: the driver writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(failed("the driver's version"))?;
    if version < OLDEST_DRIVER {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        let problem = format!("the NVIDIA driver is for CUDA {major}.{minor}, expected at least 12.0");
        return Err(Error::Driver(problem));
    }
    match result::device::get_count().map_err(failed("counting GPUs"))? {
        count @ 1.. => Ok(count as usize),
        _ => Err(Error::Driver("the NVIDIA driver finds no GPU".into())),
    }
}

/// Of a compute capability: 90 of 9.0.
fn architecture(major: i32, minor: i32) -> u32 {
    u32::try_from(10 * major + minor).unwrap_or(0)
}

/// The attribute that tells the driver the size of a launch's clusters, if it has some.
fn cluster(launch: &Launch) -> Option<sys::CUlaunchAttribute> {
    let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
    value.clusterDim = sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x: launch.cluster, y: 1, z: 1 };
    let id = sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    (launch.cluster > 1).then_some(sys::CUlaunchAttribute { id, pad: [0; 4], value })
}

/// A launch as the driver takes it, on a stream, which may be under capture.
fn config(launch: &Launch, stream: sys::CUstream, attributes: &mut [sys::CUlaunchAttribute]) -> sys::CUlaunchConfig {
    let ([x, y, z], [bx, by, bz]) = (launch.grid, launch.block);
    sys::CUlaunchConfig {
        gridDimX: x,
        gridDimY: y,
        gridDimZ: z,
        blockDimX: bx,
        blockDimY: by,
        blockDimZ: bz,
        sharedMemBytes: launch.shared_bytes,
        hStream: stream,
        attrs: attributes.as_mut_ptr(),
        numAttrs: attributes.len() as u32,
    }
}

impl Cuda {
    /// Opens the GPU of one of several processes, `user`, which have them in turn.
    ///
    /// # Errors
    /// If there is none: one line with what is missing.
    pub fn open(user: usize) -> Result<Cuda> {
        let number = user % count()?;
        let device = result::device::get(number as i32).map_err(failed("the GPU"))?;
        // SAFETY: the device is one that the driver gave; the context is released when this is dropped.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed("a context on the GPU"))?;
        // SAFETY: the context has just been made.
        unsafe { result::ctx::set_current(context) }.map_err(failed("a context on the GPU"))?;
        // Unlike the default stream, one of its own can be captured.
        let stream = result::stream::create(StreamKind::NonBlocking).map_err(failed("a stream on the GPU"))?;
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN as SHARED,
        };
        let ask = |attribute| {
            // SAFETY: the device is one that the driver gave.
            unsafe { result::device::get_attribute(device, attribute) }.map_err(failed("the GPU's properties"))
        };
        let (shared, architecture) = (ask(SHARED)?, architecture(ask(MAJOR)?, ask(MINOR)?));
        let (modules, functions, graphs) = (Vec::new(), HashMap::new(), HashMap::new());
        Ok(Cuda {
            device,
            context,
            stream,
            shared,
            architecture,
            modules,
            functions,
            graphs,
            pinned: None,
            #[cfg(feature = "nccl")]
            group: None,
        })
    }

    /// Makes the context current in this thread.
    fn bind(&self) -> Result<()> {
        // SAFETY: the context lives as long as this.
        unsafe { result::ctx::set_current(self.context) }.map_err(failed("the GPU's context"))
    }

    /// Lets launches of a function ask for as much shared memory as a block may have beside the function's own.
    fn allow_shared(&self, function: sys::CUfunction) -> std::result::Result<(), DriverError> {
        use sys::CUfunction_attribute::{
            CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as MOST, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES as OWN,
        };
        // SAFETY: the function belongs to a loaded module.
        unsafe {
            let own = result::function::get_function_attribute(function, OWN)?;
            result::function::set_function_attribute(function, MOST, self.shared - own)
        }
    }

    fn function(&self, launch: &Launch) -> Result<sys::CUfunction> {
        let unknown = || Error::Launch { entry: launch.entry.into(), problem: "no module has this entry point".into() };
        self.functions.get(launch.entry).copied().ok_or_else(unknown)
    }

    fn enqueue(&self, launch: &Launch) -> Result<()> {
        let function = self.function(launch)?;
        let mut values: Vec<u64> = launch.args.iter().map(|arg| arg.bits().0).collect();
        let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        let mut attributes: Vec<sys::CUlaunchAttribute> = cluster(launch).into_iter().collect();
        let config = config(launch, self.stream, &mut attributes);
        // SAFETY: the function belongs to a loaded module, the attributes live until the call returns. Each argument is at
        // least as long as its parameter, which on a little-endian processor begins with the low bytes. The lists of launches
        // are checked by the emulator, which holds each to its buffers.
        unsafe { sys::cuLaunchKernelEx(&config, function, pointers.as_mut_ptr(), std::ptr::null_mut()) }
            .result()
            .map_err(failed(&format!("launch of {}", launch.entry)))
    }

    /// Records the launches as a graph instead of doing them.
    fn capture(&self, launches: &[Launch]) -> Result<(sys::CUgraph, sys::CUgraphExec)> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is this one's own, and its capture is ended below whatever happens in between.
        unsafe { result::stream::begin_capture(self.stream, mode) }.map_err(failed("capturing a step"))?;
        let enqueued = launches.iter().try_for_each(|launch| self.enqueue(launch));
        // SAFETY: as above.
        let graph = unsafe { result::stream::end_capture(self.stream) }.map_err(failed("capturing a step"));
        enqueued?;
        let graph = graph?;
        // SAFETY: the graph has just been captured.
        match unsafe { result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)) } {
            Ok(exec) => Ok((graph, exec)),
            Err(error) => {
                // SAFETY: the graph is used by nobody.
                let _ = unsafe { result::graph::destroy(graph) };
                Err(failed("making a graph of a step")(error))
            }
        }
    }
}

impl Device for Cuda {
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()> {
        self.bind()?;
        let text = CString::new(ptx).map_err(|error| Error::Driver(format!("{name}: {error}")))?;
        let mut log = vec![0u8; LOG];
        let mut options =
            [sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER, sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        // A number is passed in a pointer's place.
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), LOG as *mut c_void];
        let mut module = std::ptr::null_mut();
        // SAFETY: the text ends with a zero; the log's room is what the options say.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 2, options.as_mut_ptr(), values.as_mut_ptr())
        };
        if let Err(error) = loaded.result() {
            let end = log.iter().position(|&byte| byte == 0).unwrap_or(LOG);
            let log = String::from_utf8_lossy(&log[..end]).split_whitespace().collect::<Vec<_>>().join(" ");
            let Error::Driver(problem) = failed(name)(error) else { unreachable!("made as such") };
            return Err(Error::Driver(if log.is_empty() { problem } else { format!("{problem}: {log}") }));
        }
        self.modules.push(module);
        for entry in ptx.lines().filter_map(|line| line.strip_prefix(".visible .entry ")) {
            let entry = entry.trim_end_matches(|c: char| !c.is_alphanumeric());
            let c_name = CString::new(entry).map_err(|error| Error::Driver(format!("{name}: {error}")))?;
            // SAFETY: the module has just been loaded.
            let function = unsafe { result::module::get_function(module, c_name) }.map_err(failed(entry))?;
            if ptx.contains(".extern .shared") {
                self.allow_shared(function).map_err(failed(entry))?;
            }
            if self.functions.insert(entry.to_owned(), function).is_some() {
                return Err(Error::Driver(format!("{name}: {entry} is an entry point of another module")));
            }
        }
        Ok(())
    }

    fn architecture(&self) -> u32 {
        self.architecture
    }

    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool> {
        self.bind()?;
        let (function, mut clusters) = (self.function(launch)?, 0);
        let mut attributes: Vec<sys::CUlaunchAttribute> = cluster(launch).into_iter().collect();
        let config = config(launch, self.stream, &mut attributes);
        // SAFETY: the function belongs to a loaded module; the driver writes one number.
        unsafe { sys::cuOccupancyMaxActiveClusters(&mut clusters, function, &config) }
            .result()
            .map_err(failed(&format!("clusters of {}", launch.entry)))?;
        Ok(clusters > 0)
    }

    fn shared_bytes_per_block(&self) -> usize {
        usize::try_from(self.shared).unwrap_or(0)
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        self.bind()?;
        let (free, _) = result::mem_get_info().map_err(failed("the GPU's free memory"))?;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let too_little = || {
            let (needed, free) = (mib(bytes), mib(free as u64));
            Error::Memory(format!("the GPU has {free} MiB free, {needed} MiB are needed; smaller batches take less"))
        };
        if bytes > free as u64 {
            return Err(too_little());
        }
        // SAFETY: plain memory, given back by `free`.
        match unsafe { result::malloc_sync(bytes.max(1) as usize) } {
            Ok(address) => Ok(address),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Err(too_little()),
            Err(error) => Err(failed("memory on the GPU")(error)),
        }
    }

    fn free(&mut self, address: u64) -> Result<()> {
        self.synchronize()?;
        // SAFETY: all work is done; whoever gives memory back does not use it again.
        unsafe { result::free_sync(address) }.map_err(failed("giving back memory on the GPU"))
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        self.copy_in(to, bytes)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.copy_out(from, bytes)
    }

    fn zero(&mut self, to: u64, bytes: u64) -> Result<()> {
        self.bind()?;
        // SAFETY: a range of an allocation, by the contract.
        unsafe { result::memset_d8_async(to, 0, bytes as usize, self.stream) }
            .map_err(failed("zeroing the GPU's memory"))
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        self.bind()?;
        self.enqueue(launch)
    }

    fn replay(&mut self, number: u64, launches: &[Launch]) -> Result<()> {
        self.bind()?;
        let exec = match self.graphs.get(&number) {
            Some(&(_, exec)) => exec,
            None => {
                let captured = self.capture(launches)?;
                self.graphs.insert(number, captured);
                captured.1
            }
        };
        // SAFETY: the graph was captured on this stream; its memory outlives it by the contract of `forget`.
        unsafe { result::graph::launch(exec, self.stream) }.map_err(failed("launching a step"))
    }

    fn forget(&mut self, number: u64) -> Result<()> {
        let Some((graph, exec)) = self.graphs.remove(&number) else { return Ok(()) };
        self.synchronize()?;
        // SAFETY: all launches are done, and the handles have just been removed.
        unsafe { result::graph::exec_destroy(exec) }.map_err(failed("a graph"))?;
        // SAFETY: as above.
        unsafe { result::graph::destroy(graph) }.map_err(failed("a graph"))
    }

    fn synchronize(&mut self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as this.
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("the GPU's work"))
    }

    #[cfg(feature = "nccl")]
    fn link(&self) -> Result<Option<String>> {
        nccl::probe()?;
        let uuid = result::device::get_uuid(self.device).map_err(failed("the GPU's number"))?;
        Ok(Some(uuid.bytes.iter().map(|byte| format!("{:02x}", byte.to_ne_bytes()[0])).collect()))
    }

    #[cfg(feature = "nccl")]
    fn begin_group(&mut self) -> Result<Vec<u8>> {
        self.bind()?;
        nccl::begin()
    }

    #[cfg(feature = "nccl")]
    fn join_group(&mut self, group: &[u8], rank: usize, ranks: usize) -> Result<()> {
        self.bind()?;
        self.group = Some(nccl::Group::join(group, rank, ranks)?);
        Ok(())
    }

    #[cfg(feature = "nccl")]
    fn exchange(&mut self, out: &[Transfer], into: &[Transfer]) -> Result<()> {
        self.bind()?;
        match &self.group {
            Some(group) => group.exchange(out, into, self.stream),
            None => Err(Error::Driver("NCCL: an exchange with nobody, expected a group that was joined".into())),
        }
    }
}

impl Drop for Cuda {
    /// Failures are left alone: after a lost device everything fails, and the process ends.
    fn drop(&mut self) {
        // Where this one panics the others may never send what the stream waits for.
        #[cfg(feature = "nccl")]
        if std::thread::panicking() {
            drop(self.group.take());
        }
        let _ = self.synchronize();
        let numbers: Vec<u64> = self.graphs.keys().copied().collect();
        for number in numbers {
            let _ = self.forget(number);
        }
        self.pinned = None;
        #[cfg(feature = "nccl")]
        drop(self.group.take());
        // SAFETY: nothing uses the handles any more.
        unsafe {
            for &module in &self.modules {
                let _ = result::module::unload(module);
            }
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{architecture, cluster, config, no_driver, sys};
    use inkgrad_kernels::launch::Launch;

    #[test]
    fn a_static_program_does_not_blame_the_machine_for_a_driver_that_it_cannot_open() {
        assert!(no_driver(false).contains("no NVIDIA driver is installed"));
        assert!(!no_driver(true).contains("installed") && no_driver(true).contains("expected one built for glibc"));
    }

    #[test]
    fn the_driver_is_told_of_clusters_and_of_nothing_where_there_are_none() {
        let launch = |cluster| {
            let (grid, block) = ([16, 2, 3], [128, 4, 1]);
            Launch { entry: "k", grid, block, cluster, shared_bytes: 4096, args: Vec::new() }
        };
        let mut attributes: Vec<_> = cluster(&launch(8)).into_iter().collect();
        let found = config(&launch(8), std::ptr::null_mut(), &mut attributes);
        assert_eq!((found.gridDimX, found.gridDimY, found.gridDimZ), (16, 2, 3));
        assert_eq!((found.blockDimX, found.blockDimY, found.blockDimZ, found.sharedMemBytes), (128, 4, 1, 4096));
        assert_eq!((found.numAttrs, found.attrs), (1, attributes.as_mut_ptr()));
        assert_eq!(attributes[0].id, sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
        // SAFETY: the attribute has been made with this member.
        let size = unsafe { attributes[0].value.clusterDim };
        assert_eq!((size.x, size.y, size.z), (8, 1, 1));
        assert!(cluster(&launch(1)).is_none());
        assert_eq!((architecture(9, 0), architecture(12, 1)), (90, 121));
    }
}
