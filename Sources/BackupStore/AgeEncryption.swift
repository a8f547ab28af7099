package import ClusterModel
import Glibc
import SystemPackage

/// Encryption of stored files to age recipients with the `age` program; the private key is never needed here.
///
/// Guarantee: a file counts as encrypted only when age ended with 0, the ciphertext read back from the file has exactly
/// the length that age's format gives this plain text, and the plain text was still the verified one.
package struct AgeEncryption: Sendable {
    package let recipients: [String]
    private let program: String
    private let deadline: Duration

    /// Decides from the policy before anything is started: encryption to use, or nil when none is asked for.
    ///
    /// Recipients with `optional` mean that encryption is wanted: what cannot be done is refused (exit 4), and there is no
    /// falling back to plain files. Errors: `encryptionRefused`.
    package static func required(
        by policy: BackupPolicy,
        tools: ToolPath,
        deadline: Duration = .seconds(3600),
        time: any TimeSource
    ) async throws(BackupError) -> AgeEncryption? {
        switch policy.encryption {
        case .none: return nil
        case .optional where policy.recipients.isEmpty: return nil
        case .optional, .required: break
        }
        let fix = "set spec.backup.recipients in the inventory to the output of: age-keygen -y KEYFILE"
        guard !policy.recipients.isEmpty else {
            throw .encryptionRefused(why: "there is no recipient", next: fix)
        }
        for (index, text) in policy.recipients.enumerated() {
            if let problem = AgeRecipient.problem(of: text) {
                throw .encryptionRefused(why: "recipient \(index + 1) \(problem)", next: fix)
            }
        }
        guard let program = tools.find("age") else {
            throw .encryptionRefused(why: "the program age is not installed", next: "apt-get install age")
        }
        let encryption = AgeEncryption(recipients: policy.recipients, program: program, deadline: deadline)
        let trial = try await ChildProcess(
            program: program,
            arguments: ["--armor"] + encryption.recipientArguments
        ).run(time: time)
        guard trial.exitCode == 0 else {
            throw .encryptionRefused(why: "age does not take the recipients: \(trial.complaint)", next: fix)
        }
        return encryption
    }

    private var recipientArguments: [String] { recipients.flatMap { ["-r", $0] } }

    /// Encrypts `name` in `folder` to `name.age` and removes the plain file; returns the digest of the ciphertext.
    func seal(
        _ name: BackupFileName,
        _ plain: FileDigest,
        in folder: Directory,
        hook: CheckpointHook,
        time: any TimeSource
    ) async throws(BackupError) -> FileDigest {
        let final = name.leaf + ".age"
        let temporary = final + ".part"
        try hook(.sealStarted)
        try await encrypt(name, to: temporary, in: folder, time: time)
        try hook(.sealWritten)
        let stored = try folder.digest(of: temporary)
        try requireLength(of: temporary, in: folder, stored, plain, name)
        guard try folder.digest(of: name.leaf) == plain else {
            throw .encryptionFailed(name.description, why: "the plain file changed after it was verified")
        }
        try folder.replaceFile(final, from: temporary)
        try hook(.sealNamed)
        try folder.removeFile(name.leaf)
        try hook(.plainRemoved)
        return stored
    }

    private func encrypt(
        _ name: BackupFileName,
        to temporary: String,
        in folder: Directory,
        time: any TimeSource
    ) async throws(BackupError) {
        let source = try folder.openFile(name.leaf)
        defer { try? source.close() }
        let target = try folder.createFile(temporary)
        defer { try? target.close() }
        let child = ChildProcess(program: program, arguments: recipientArguments, deadline: deadline)
        let result = try await child.run(from: source, to: target, time: time)
        guard result.exitCode == 0 else { throw .encryptionFailed(name.description, why: result.complaint) }
        try Self.makeDurable(target, folder, temporary)
    }

    /// Syncs and drops the cached pages, so that what is hashed afterwards comes from the disk.
    private static func makeDurable(_ file: FileDescriptor, _ folder: Directory, _ name: String) throws(BackupError) {
        do throws(Errno) {
            try file.synchronize()
        } catch {
            throw folder.failure(error.rawValue, "sync", name)
        }
        _ = posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED)
    }

    private func requireLength(
        of leaf: String,
        in folder: Directory,
        _ stored: FileDigest,
        _ plain: FileDigest,
        _ name: BackupFileName
    ) throws(BackupError) {
        let file = try folder.openFile(leaf)
        defer { try? file.close() }
        let head: [UInt8]
        do throws(Errno) {
            head = try file.readBytes(at: 0, upTo: AgeFormat.headerLimit)
        } catch {
            throw folder.failure(error.rawValue, "read", leaf)
        }
        guard let expected = AgeFormat.length(head: head, plainBytes: plain.bytes), expected == stored.bytes else {
            throw .encryptionFailed(name.description, why: "age wrote \(stored.bytes) bytes that are not a whole file")
        }
    }
}
