import ArgumentParser
import ClusterModel
import struct EtcdSnapshot.SnapshotInspection
import struct EtcdSnapshot.SnapshotProblem
import RunEngine

/// `backups inspect [ID|FILE]`: verifies a snapshot and says what is in it.
struct BackupsInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Look into an etcd snapshot: revisions, members, objects by kind and namespace, largest keys.",
        discussion: """
            The snapshot is verified first, page by page; a damaged one is refused (exit 9). Names are printed, values never. \
            A mere file needs no inventory.
            """
    )

    @Argument(help: "Backup id or snapshot file (else the newest backup).") var source: String?
    @OptionGroup var snapshot: SnapshotOptions
    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Rows of each table, 1 to 1000.") var top: Int = 20

    func validate() throws {
        let longest = InspectionView.longestTable
        guard (1...longest).contains(top) else { throw ValidationError("--top takes a number from 1 to \(longest)") }
    }

    func run() async throws {
        let opened = try await VerifiedSnapshot.open(source, snapshot, cluster)
        let inspection: SnapshotInspection
        do throws(SnapshotProblem) {
            inspection = try opened.contents.inspection(prefix: snapshot.keyPrefix, top: top)
        } catch {
            throw error.message(at: opened.label, next: nil)
        }
        let view = InspectionView(
            label: opened.label,
            report: opened.report,
            inspection: inspection,
            recorded: opened.recorded,
            top: top,
            took: opened.verificationTook
        )
        if cluster.state.format == .json { return try JSONAnswer.print(view.json) }
        Terminal.answer(view.text)
    }
}
