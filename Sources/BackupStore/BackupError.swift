package import ClusterModel

/// One thing that a verification found wrong, at the level that found it.
package struct Finding: Sendable, Hashable, Codable {
    package let level: Int
    /// Path within the set, or empty for the set itself.
    package let path: String
    package let what: String

    package init(level: Int, path: String, what: String) {
        self.level = level
        self.path = path
        self.what = what
    }
}

/// Everything that goes wrong with backup sets, with its exit code and its words for the operator.
package enum BackupError: Error, Sendable, Hashable {
    /// A symbolic link, an owner, a mode or a second hard link where none may be.
    case unsafePath(String, why: String)
    /// A system call on `path` failed; `errno` says how.
    case storage(path: String, doing: String, errno: Int32)
    case noSpace(path: String, needed: Int64, free: Int64)
    case alreadyExists(String)
    /// Another process is making or has reserved this set.
    case busy(String)
    case notFound(String)
    case invalidName(String, expected: String)
    case integrity(String, [Finding])
    /// The manifest is of a later format than this program knows.
    case newerFormat(String, format: Int)
    case wrongCluster(backup: String, of: String, target: String, why: String)
    /// The set has no snapshot, or none of the host asked for; `hosts` are those it has.
    case noSuchSnapshot(String, of: String?, hosts: String)
    /// The set is encrypted and no key was given.
    case identityNeeded(String)
    /// The key file that was named does not exist.
    case noIdentity(String)
    /// Encryption is asked for and cannot be done; nothing was started.
    case encryptionRefused(why: String, next: String)
    case encryptionFailed(String, why: String)
    /// A program is missing; `next` is the command that installs it.
    case toolMissing(String, next: String)
    case toolFailed(String, why: String)
    case deadline(String, limit: Duration)
    case retentionPolicy(String)
    case retentionRefused(String, next: String?)
    /// A set that must not be published as it is; a fault in whoever composed it.
    case unpublishable(String, why: String)
    case cancelled(String)
    /// A checkpoint hook stopped the work there.
    case stopped(Checkpoint)

    package var code: ExitCode {
        switch self {
        case .unsafePath: .security
        case .storage, .noSpace: .storage
        case .alreadyExists, .encryptionRefused, .identityNeeded, .toolMissing, .retentionRefused: .refused
        case .busy: .locked
        case .notFound, .noIdentity, .noSuchSnapshot: .usage
        case .invalidName, .retentionPolicy: .invalidInput
        case .integrity, .newerFormat, .wrongCluster: .integrity
        case .encryptionFailed, .toolFailed: .stepFailed
        case .deadline: .deadline
        case .unpublishable, .stopped: .fault
        case .cancelled: .terminated
        }
    }

    /// The error in the operator's words; callers complete it with the place and the command they know.
    package var message: OperatorMessage {
        switch self {
        case .unsafePath(let path, let why):
            OperatorMessage(code, at: path, why, state: "Nothing in it was used")
        case .storage(let path, let doing, let number):
            OperatorMessage(
                code,
                at: path,
                "could not \(doing): \(errorText(number))",
                state: "Published backups are untouched and none was deleted to make room"
            )
        case .noSpace(let path, let needed, let free):
            OperatorMessage(
                code,
                at: path,
                "\(free >> 20) MiB are free and \(needed >> 20 + 1) MiB are needed",
                state: "Nothing was started",
                next: "free space there, or set another --state-dir"
            )
        case .alreadyExists(let name):
            OperatorMessage(code, at: name, "already exists", state: "It was not overwritten")
        case .busy(let name):
            OperatorMessage(
                code,
                at: name,
                "another process is working on this backup set",
                state: "Nothing was changed"
            )
        case .notFound(let name):
            OperatorMessage(code, at: name, "there is no such backup", next: "rollbook backups list")
        case .invalidName(let text, let expected):
            OperatorMessage(code, "'\(text)' is not a valid \(expected)", next: "rollbook backups list")
        case .integrity(let name, let findings):
            OperatorMessage(code, at: name, findings.summary, state: "It is not to be restored from")
        case .newerFormat(let name, let format):
            OperatorMessage(
                code,
                at: name,
                "its manifest has format \(format), this program knows 1",
                state: "It was not touched",
                next: "use the Rollbook release that wrote it, or a later one"
            )
        case .wrongCluster(let backup, let owner, let target, let why):
            OperatorMessage(
                code,
                at: backup,
                "this backup is of cluster \(owner) (\(why)); target is \(target)",
                state: "Nothing was changed"
            )
        case .noSuchSnapshot(let backup, let host, let hosts):
            OperatorMessage(
                code,
                at: backup,
                host.map { "it has no snapshot of \($0) (it has: \(hosts))" } ?? "it has no snapshot",
                next: "rollbook backups show \(backup)"
            )
        case .noIdentity(let path):
            OperatorMessage(code, at: path, "there is no such key file", state: "Nothing was read")
        case .identityNeeded(let backup):
            OperatorMessage(
                code,
                at: backup,
                "it is encrypted and no key was given",
                state: "Nothing was read",
                next: "add --identity KEYFILE, the age key of one of its recipients"
            )
        case .encryptionRefused(let why, let next):
            OperatorMessage(code, "encryption is asked for and \(why)", state: "No snapshot was taken", next: next)
        case .encryptionFailed(let name, let why):
            OperatorMessage(code, at: name, "encryption failed: \(why)", state: "This set was not published")
        case .toolMissing(let what, let next):
            OperatorMessage(code, what, state: "Nothing was started", next: next)
        case .toolFailed(let tool, let why):
            OperatorMessage(code, at: tool, why)
        case .deadline(let what, let limit):
            OperatorMessage(code, "\(what) did not end within \(limit.brief)", state: "It was stopped and cleaned up")
        case .retentionPolicy(let why):
            OperatorMessage(code, why, state: "Nothing was deleted", next: "set backup.retention in the inventory")
        case .retentionRefused(let why, let next):
            OperatorMessage(code, why, state: "Nothing was deleted", next: next)
        case .unpublishable(let name, let why):
            OperatorMessage(code, at: name, why, state: "This set was not published")
        case .cancelled(let what):
            OperatorMessage(code, "\(what) was stopped")
        case .stopped(let checkpoint):
            OperatorMessage(code, "stopped at checkpoint \(checkpoint.rawValue)")
        }
    }
}

extension [Finding] {
    /// The first findings as one sentence, and how many more there are.
    package var summary: String {
        let shown = prefix(3).map { $0.path.isEmpty ? $0.what : "\($0.path): \($0.what)" }
        return shown.joined(separator: "; ") + (count > 3 ? "; and \(count - 3) more" : "")
    }
}
