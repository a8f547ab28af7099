package import BackupStore
package import ClusterModel
import Journal
import RemoteShell
import RunEngine
import Synchronization

/// The controller's side of a backup run: the store, the tools, and the set that is being made.
///
/// One value serves one run in one process. After an interruption the set is found again by the run's id, with the files
/// that the journal says are sealed.
package actor BackupWorkspace {
    package nonisolated let store: BackupStore
    package nonisolated let tools: ToolPath
    package nonisolated let checker: any SnapshotChecking
    package nonisolated let controller: String
    private var staged: StagedBackup?

    package init(store: BackupStore, tools: ToolPath, checker: any SnapshotChecking, controller: String) {
        self.store = store
        self.tools = tools
        self.checker = checker
        self.controller = controller
    }

    /// The set of a run, opened or found again.
    func backup(of run: RunID, sealed: [StoredFile]) throws -> StagedBackup {
        if let staged { return staged }
        let opened = try store.resumeStaging(try BackupID(run), sealed: sealed)
        staged = opened
        return opened
    }
}

/// What planning may know of the controller's store; it can change nothing.
package protocol BackupOutlook: Sendable {
    /// Why a backup could not be stored now (space, encryption), or nil.
    func obstacle(databaseBytes: [Int64]) async -> OperatorMessage?
    /// What retention would do now.
    func retention() throws -> RetentionDecision
    /// Where sets are published.
    var location: String { get }
}

extension BackupError: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { message }
}

extension StepContext {
    /// The set this run is making, with everything that earlier steps sealed.
    func stagedBackup() async throws -> StagedBackup {
        let workspace = try service(BackupWorkspace.self)
        return try await workspace.backup(of: run, sealed: try sealedFiles())
    }

    /// Of the whole run: a stage that is resumed must not take the files of a later one for leftovers.
    private func sealedFiles() throws -> [StoredFile] {
        let snapshots = try resultsOfAllStages(of: SaveEtcdSnapshot.signature.kind).outputs(of: SaveEtcdSnapshot.self)
        let archives = try resultsOfAllStages(of: CollectFiles.signature.kind).outputs(of: CollectFiles.self)
        let objects = try resultsOfAllStages(of: CollectResources.signature.kind).outputs(of: CollectResources.self)
        return snapshots.map(\.output.file) + archives.map(\.output.archive.file) + objects.map(\.output.archive.file)
    }

    /// Outputs of the finished steps of a kind, up to this stage and in plan order.
    func outputs<S: Step>(of step: S.Type) throws -> [(host: HostName, output: S.Output)] {
        try results(of: S.signature.kind).outputs(of: step)
    }
}

extension [StepResult] {
    fileprivate func outputs<S: Step>(of step: S.Type) throws -> [(host: HostName, output: S.Output)] {
        try filter { $0.succeeded && !$0.wasSkipped }.map { ($0.host, try $0.output.decode(S.Output.self)) }
    }
}

/// Passes a host's bytes on into a file of the set.
final class StagedFileSink: ByteSink {
    private let file: StagedFile
    private let refused = Mutex<BackupError?>(nil)

    init(file: StagedFile) { self.file = file }

    var mayBlock: Bool { true }

    func write(_ bytes: RawSpan) throws {
        do { try file.append(bytes) } catch {
            refused.withLock { $0 = error }
            throw error
        }
    }

    /// Why the transfer ended: this disk, when it was that, else what the transport saw.
    func cause(of error: any Error) -> any Error { refused.withLock { $0 } ?? error }
}
