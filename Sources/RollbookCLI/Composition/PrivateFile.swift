import ClusterModel
import FoundationEssentials
import Glibc
import SystemPackage

/// A new file that only this user may read, whole or not at all.
enum PrivateFile {
    /// Writes `bytes` to a temporary file beside `path` (mode 0600), syncs it and gives it its name.
    ///
    /// - Throws: `refused` where there is such a file already, `storage` where it cannot be written.
    static func create(at path: String, _ bytes: [UInt8]) throws(OperatorMessage) {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw OperatorMessage(.refused, at: path, "there is such a file already", next: "choose another name")
        }
        let temporary = "\(path).\(UInt64.random(in: .min ... .max)).part"
        do {
            try write(bytes, to: temporary)
            // Refuses to replace what came in between.
            try FileManager.default.moveItem(atPath: temporary, toPath: path)
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw OperatorMessage(.storage, at: path, "cannot write it: \(error)")
        }
    }

    private static func write(_ bytes: [UInt8], to path: String) throws {
        let file = try FileDescriptor.open(
            FilePath(path),
            .writeOnly,
            options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
            permissions: .ownerReadWrite
        )
        try file.closeAfter {
            try file.writeAll(bytes)
            guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
        }
    }
}
