import ClusterModel
import Glibc
import SystemPackage

/// A report on its way into a file that only its owner reads, for it holds what the journal holds.
///
/// Guarantee: whoever opens the name finds the old file or all of the new one. A regular file is replaced; what is anything
/// else under that name is left alone.
struct ReportFile {
    private let path: FilePath
    private let shown: String

    init(_ path: String) {
        self.path = FilePath(path)
        shown = path
    }

    /// - Throws: `usage` for a folder or another thing that is no file, `security` for a symbolic link, `storage` when it cannot be
    ///   written.
    func write(_ text: String) throws(OperatorMessage) {
        try checkName()
        let folder = path.removingLastComponent()
        guard let name = path.lastComponent else { throw refusal(.usage, "is no file name") }
        let part = folder.appending(".\(name.string).\(getpid())")
        do throws(Errno) {
            try store(Array(text.utf8), as: part)
            guard unsafe rename(part.string, path.string) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            _ = unsafe unlink(part.string)
            throw OperatorMessage(.storage, at: shown, "cannot write it: \(error)", state: "Nothing was stored")
        }
    }

    private func checkName() throws(OperatorMessage) {
        let attributes: Stat
        do throws(Errno) { attributes = try Stat(path, followTargetSymlink: false) } catch {
            guard error == .noSuchFileOrDirectory else {
                throw OperatorMessage(.storage, at: shown, "cannot look at it: \(error)", state: "Nothing was stored")
            }
            return
        }
        switch attributes.type {
        case .regular: return
        case .directory: throw refusal(.usage, "is a folder")
        case .symbolicLink: throw refusal(.security, "is a symbolic link")
        default: throw refusal(.usage, "is no regular file")
        }
    }

    private func refusal(_ code: ExitCode, _ event: String) -> OperatorMessage {
        OperatorMessage(
            code,
            at: shown,
            event,
            state: "Nothing was stored",
            next: "name a file: rollbook show --html FILE"
        )
    }

    private func store(_ bytes: [UInt8], as part: FilePath) throws(Errno) {
        _ = unsafe unlink(part.string)
        do {
            let file = try FileDescriptor.open(
                part,
                .writeOnly,
                options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                permissions: [.ownerReadWrite]
            )
            try file.closeAfter {
                try file.writeAll(bytes)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
        } catch {
            throw error as? Errno ?? .ioError
        }
    }
}
