//! GPUs of several processes that send each other memory, through NVIDIA's NCCL, which is opened at run time.
//!
//! Of NCCL sends and receives alone are used: what is summed is summed by our own kernels, in an order of ours, so that the bits do not
//! depend on the number of GPUs.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::thread;

use cudarc::driver::sys::{self as driver, CUstream};
use cudarc::nccl::result::{self, NcclError};
use cudarc::nccl::sys;
use inkgrad_kernels::launch::{Error, Result, Transfer};

/// A group of GPUs, as one of them sees it.
#[derive(Debug)]
pub(super) struct Group {
    comm: sys::ncclComm_t,
}

/// NCCL's message about a failure, in one line.
fn failed(what: &str) -> impl FnOnce(NcclError) -> Error + '_ {
    move |NcclError(code)| {
        // SAFETY: NCCL gives a text of its own for every code, which nobody frees.
        let text = unsafe { CStr::from_ptr(sys::ncclGetErrorString(code)) };
        Error::Driver(format!("NCCL: {what}: {}", text.to_string_lossy()))
    }
}

/// The version of the library that is there.
///
/// # Errors
/// If there is none.
pub(super) fn probe() -> Result<String> {
    // SAFETY: looks for a library by its name and opens it.
    if !unsafe { sys::is_culib_present() } {
        let problem =
            "NCCL is not found (libnccl.so; where there is a libnccl.so.2, a link of that name to it will do)";
        return Err(Error::Driver(problem.to_owned()));
    }
    let version = result::get_nccl_version().map_err(failed("its version"))?;
    Ok(format!("NCCL {}", name(version)))
}

/// 22703 is 2.27.3.
fn name(version: i32) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// The identity of a new group.
///
/// # Errors
/// If the library is not there, or finds no network.
pub(super) fn begin() -> Result<Vec<u8>> {
    probe()?;
    let id = result::get_uniqueid().map_err(failed("beginning a group"))?;
    Ok(id.internal.map(|byte| byte.to_ne_bytes()[0]).to_vec())
}

/// The identity that [`begin`] gave, on whichever rank.
fn identity(group: &[u8]) -> Result<sys::ncclUniqueId> {
    let wrong = |_| Error::Driver(format!("NCCL: a group's name of {} bytes, expected 128", group.len()));
    let bytes: [u8; 128] = group.try_into().map_err(wrong)?;
    Ok(sys::ncclUniqueId { internal: bytes.map(|byte| c_char::from_ne_bytes([byte])) })
}

/// A count as NCCL has it.
fn number(n: usize) -> i32 {
    i32::try_from(n).expect("ranks are counted in 31 bits")
}

impl Group {
    /// Joins a group on the current context's GPU, together with all others.
    ///
    /// # Errors
    /// If the library is not there, or one of the others is not reached.
    pub(super) fn join(group: &[u8], rank: usize, ranks: usize) -> Result<Self> {
        let id = identity(group)?;
        probe()?;
        let mut comm = ptr::null_mut();
        // SAFETY: NCCL writes one handle, which is given back when this is dropped.
        unsafe { result::comm_init_rank(&mut comm, number(ranks), id, number(rank)) }
            .map_err(failed("joining the other GPUs"))?;
        Ok(Group { comm })
    }

    /// Puts all transfers on the stream as one, so that none waits for another, and waits until they are done.
    pub(super) fn exchange(&self, out: &[Transfer], into: &[Transfer], stream: CUstream) -> Result<()> {
        // The same handle under the name that NCCL has for it.
        let (queue, stream): (CUstream, sys::cudaStream_t) = (stream, stream.cast());
        let bytes = sys::ncclDataType_t::ncclUint8;
        result::group_start().map_err(failed("an exchange"))?;
        let mut put = Ok(());
        for &Transfer { rank, address, bytes: count } in out {
            // SAFETY: a range of an allocation, by the contract of `Device::exchange`; the stream's work is in order.
            let sent =
                unsafe { result::send(address as *const _, count as usize, bytes, number(rank), self.comm, stream) };
            put = put.and(sent.map(drop));
        }
        for &Transfer { rank, address, bytes: count } in into {
            // SAFETY: as above.
            let received =
                unsafe { result::recv(address as *mut _, count as usize, bytes, number(rank), self.comm, stream) };
            put = put.and(received.map(drop));
        }
        // Whatever happened in between: a group that is not ended would swallow the next one.
        let ended = result::group_end();
        put.and(ended.map(drop)).map_err(failed("an exchange with the other GPUs"))?;
        self.wait(queue)
    }

    /// Waits for the stream's work, and asks meanwhile whether the others are still there: it would never end.
    fn wait(&self, stream: CUstream) -> Result<()> {
        loop {
            // SAFETY: the stream lives as long as the group's user.
            match unsafe { driver::cuStreamQuery(stream) } {
                driver::CUresult::CUDA_ERROR_NOT_READY => {}
                done => return done.result().map_err(super::failed("an exchange with the other GPUs")),
            }
            let mut state = sys::ncclResult_t::ncclSuccess;
            // SAFETY: NCCL writes one number.
            unsafe { sys::ncclCommGetAsyncError(self.comm, &mut state) }
                .result()
                .and_then(|_| state.result())
                .map_err(failed("one of the other GPUs is lost"))?;
            thread::yield_now();
        }
    }
}

impl Drop for Group {
    /// A panic takes no leave of the others, which may wait for what never comes.
    fn drop(&mut self) {
        // SAFETY: the handle is this one's own and used by nobody afterwards.
        let _ = unsafe {
            match thread::panicking() {
                true => result::comm_abort(self.comm),
                false => result::comm_destroy(self.comm),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_names() {
        assert_eq!([name(22_703), name(21_805)], ["2.27.3", "2.18.5"]);
    }

    #[test]
    fn an_identity_travels_as_bytes() {
        let bytes: Vec<u8> = (0..128).map(|i| (i * 37 % 256) as u8).collect();
        let id = identity(&bytes).unwrap();
        assert_eq!(id.internal.map(|byte| byte.to_ne_bytes()[0]).to_vec(), bytes);
        let error = identity(&bytes[1..]).unwrap_err().to_string();
        assert_eq!(error, "NCCL: a group's name of 127 bytes, expected 128");
    }

    /// Where NCCL is found (`LD_LIBRARY_PATH`), a group begins without a GPU, too; elsewhere one line says that it is missing.
    #[test]
    fn a_library_is_opened_or_missed_in_one_line() {
        match probe() {
            Ok(found) => {
                assert!(found.starts_with("NCCL 2."), "{found}");
                match begin() {
                    Ok(group) => assert_eq!(group.len(), 128),
                    Err(error) => assert!(error.to_string().starts_with("NCCL: beginning a group: "), "{error}"),
                }
            }
            Err(error) => assert!(error.to_string().starts_with("NCCL is not found"), "{error}"),
        }
    }
}
