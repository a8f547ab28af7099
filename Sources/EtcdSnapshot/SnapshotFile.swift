#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A snapshot in a regular file, read with `pread`; the file is closed when the last reference goes.
package final class SnapshotFile: SnapshotBytes {
    package let size: UInt64
    private let descriptor: CInt
    private let opened: Identity

    /// What tells two states of a file apart without reading it.
    private struct Identity: Hashable {
        var size: Int64
        var device: UInt64
        var inode: UInt64
        var modifiedSeconds: Int
        var modifiedNanoseconds: Int
    }

    /// Opens `path` for reading; anything but a regular file is refused, so a pipe or a device can not block the caller.
    package init(path: String) throws(SnapshotReadFailure) {
        // O_NONBLOCK only matters for what is refused below: opening a pipe would wait for a writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(errno, "open") }
        do throws(SnapshotReadFailure) {
            opened = try Self.identity(of: descriptor)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        size = UInt64(clamping: opened.size)
    }

    /// Takes over `descriptor`, which is open for reading; it is closed even where this throws.
    ///
    /// For a file that has no name, such as a decrypted copy that nobody else is to find.
    package init(adopting descriptor: CInt) throws(SnapshotReadFailure) {
        do throws(SnapshotReadFailure) {
            opened = try Self.identity(of: descriptor)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        size = UInt64(clamping: opened.size)
    }

    deinit {
        close(descriptor)
    }

    package func read(_ count: Int, at offset: UInt64, into buffer: inout [UInt8]) throws(SnapshotReadFailure) {
        precondition(count <= buffer.count, "a read never exceeds its buffer")
        guard let start = off_t(exactly: offset) else {
            throw SnapshotReadFailure(reason: "offset \(offset) is too large")
        }
        var done = 0
        while done < count {
            let from = done
            // The range lies inside the array by the precondition above and the loop's condition.
            let got = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe pread(descriptor, bytes.baseAddress?.advanced(by: from), count - from, start + off_t(from))
            }
            if got > 0 {
                done += got
            } else if got == 0 {
                throw SnapshotReadFailure(reason: "it became shorter while it was read")
            } else if errno != EINTR {
                throw .system(errno, "read")
            }
        }
    }

    package func isUnchanged() throws(SnapshotReadFailure) -> Bool {
        try Self.identity(of: descriptor) == opened
    }

    private static func identity(of descriptor: CInt) throws(SnapshotReadFailure) -> Identity {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(errno, "fstat") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SnapshotReadFailure(reason: "it is not a regular file") }
        #if canImport(Darwin)
        let modified = status.st_mtimespec
        #else
        let modified = status.st_mtim
        #endif
        return Identity(
            size: Int64(status.st_size),
            device: UInt64(truncatingIfNeeded: status.st_dev),
            inode: UInt64(truncatingIfNeeded: status.st_ino),
            modifiedSeconds: modified.tv_sec,
            modifiedNanoseconds: modified.tv_nsec
        )
    }
}

extension SnapshotReadFailure {
    fileprivate static func system(_ code: CInt, _ call: String) -> Self {
        switch code {
        case ENOENT: Self(reason: "no such file")
        case EACCES, EPERM: Self(reason: "permission denied")
        case EIO: Self(reason: "input/output error; the disk may be failing")
        case ENXIO: Self(reason: "it is not a regular file")
        default: Self(reason: "\(call) failed with errno \(code)")
        }
    }
}
