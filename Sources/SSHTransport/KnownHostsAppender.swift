package import ClusterModel
import Glibc
import SystemPackage

/// Adds an explicitly accepted host key to the first of some known_hosts files (`rollbook hosts trust`).
package struct KnownHostsAppender: Sendable {
    /// All files that count, in order; the line goes to the first.
    package let paths: [String]

    package init(paths: [String]) {
        self.paths = paths
    }

    /// What became of a key.
    package enum Outcome: Sendable, Hashable {
        case added(line: String, file: String)
        case alreadyTrusted
    }

    /// Makes `key` trusted for the host, or says why not and what to do.
    ///
    /// Guarantee: one line is appended and durable (fsync) when `added` is returned, and no other byte of the file was
    /// touched; when it throws, the file is as it was. A missing file is created with
    /// mode 0600 (and stays empty after a refusal), its directory with 0700. Two
    /// of these at once exclude each other by `flock`; the second fails at once.
    package func trust(
        _ key: KnownHostsKey,
        forHost name: String,
        port: Int
    ) throws(OperatorMessage) -> Outcome {
        guard let path = paths.first, path != "none", path != "/dev/null" else {
            throw OperatorMessage(
                .invalidInput,
                at: name,
                "there is no known_hosts file to write to",
                state: "Nothing was written",
                next: "name one as knownHosts in the inventory"
            )
        }
        let isNew = try makeDirectory(of: path)
        let descriptor: FileDescriptor
        do {
            descriptor = try FileDescriptor.open(
                FilePath(path),
                .readWrite,
                options: [.create, .append, .closeOnExec, .nonBlocking],
                permissions: [.ownerRead, .ownerWrite]
            )
        } catch {
            throw failure(path, "cannot open for writing: \(error)")
        }
        defer { try? descriptor.close() }
        try KnownHostsFile.check(descriptor, path)
        guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            throw OperatorMessage(
                .locked,
                at: path,
                "another program holds this file",
                state: "Nothing was written",
                next: "the same command again"
            )
        }
        let current = try KnownHostsFile.content(of: descriptor, path)
        var files = [KnownHosts.File(path: path, bytes: current)]
        for other in paths.dropFirst() {
            files.append(KnownHosts.File(path: other, bytes: try KnownHostsFile.read(other) ?? []))
        }
        guard case .append(let line) = try KnownHosts(files: files).addition(of: key, forHost: name, port: port) else {
            return .alreadyTrusted
        }
        // A last line that was left without its line feed stays a line of its own.
        let start = current.isEmpty || current.last == 0x0A ? "" : "\n"
        try append(Array("\(start)\(line)\n".utf8), to: descriptor, path, size: current.count)
        if isNew || current.isEmpty { try syncDirectory(of: path) }
        return .added(line: line, file: path)
    }

    /// Writes all of `bytes` durably, or takes back what was written of them.
    private func append(
        _ bytes: [UInt8],
        to descriptor: FileDescriptor,
        _ path: String,
        size: Int
    ) throws(OperatorMessage) {
        var written = 0
        do {
            while written < bytes.count {
                written += try unsafe bytes[written...].withUnsafeBytes { try unsafe descriptor.write($0) }
            }
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            // Half a line would swallow the next one; cut it off unless somebody else wrote behind it.
            let end = try? descriptor.seek(offset: 0, from: .end)
            if end == Int64(size + written) { try? descriptor.resize(to: Int64(size)) }
            throw failure(path, "cannot write: \(error)")
        }
    }

    /// Creates the directory that is to hold `path`; true when it was missing.
    private func makeDirectory(of path: String) throws(OperatorMessage) -> Bool {
        let directory = FilePath(path).removingLastComponent()
        guard !directory.isEmpty, (try? directory.stat()) == nil else { return false }
        guard unsafe directory.withPlatformString({ unsafe mkdir($0, 0o700) }) == 0 || errno == EEXIST else {
            throw failure(directory.string, "cannot create this directory: \(Errno(rawValue: errno))")
        }
        return true
    }

    /// Makes a new directory entry durable.
    private func syncDirectory(of path: String) throws(OperatorMessage) {
        let directory = FilePath(path).removingLastComponent()
        do {
            let descriptor = try FileDescriptor.open(
                directory.isEmpty ? "." : directory,
                .readOnly,
                options: [.directory, .closeOnExec]
            )
            defer { try? descriptor.close() }
            guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            throw OperatorMessage(
                .storage,
                at: path,
                "the new file may not outlive a crash: \(error)",
                state: "The key was added",
                next: "sync"
            )
        }
    }

    private func failure(_ path: String, _ event: String) -> OperatorMessage {
        OperatorMessage(.storage, at: path, event, state: "Nothing was added", next: "ls -l '\(path)' && df '\(path)'")
    }
}
