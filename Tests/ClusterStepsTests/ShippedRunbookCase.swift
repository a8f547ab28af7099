import ClusterModel
import ClusterSteps
import Foundation
import Manifests
import RunEngine
import ShippedRunbooks
import Synchronization
import TestSupport
import Testing

/// A shipped runbook on a cluster of some shape, on a controller that has a backup of the night before.
struct ShippedRunbookCase: Hashable, CustomTestStringConvertible {
    let runbook: String
    let masters: Int

    var testDescription: String { "\(runbook), \(masters) masters" }

    /// A runbook that needs another member of etcd is only for three masters.
    static func all(masters: Int) -> [ShippedRunbookCase] {
        ShippedRunbooks.all.keys.sorted()
            .filter { masters > 1 || !$0.hasPrefix("etcd-member-") }
            .map { ShippedRunbookCase(runbook: $0, masters: masters) }
    }

    /// What the runbook has to be told, on a cluster whose second etcd host has this name.
    static func inputs(
        of runbook: String,
        member: String,
        confirm: String = "typed-at-the-run"
    ) -> [String: String] {
        switch runbook {
        case "etcd-member-remove": ["member": member]
        case "etcd-member-replace": ["member": member, "reason": "bad-disk"]
        case "etcd-restore": ["backup": CannedRestore.id, "confirm": confirm]
        case "rolling-upgrade": ["version": UpgradeScene.wanted]
        default: [:]
        }
    }

    /// Every shipped runbook, for those that include one.
    static let library = ShippedRunbooks.all.reduce(into: [String: Runbook]()) { library, shipped in
        library[shipped.key] = try? RunbookLoader.load(
            shipped.value,
            path: "\(shipped.key).yaml",
            catalogue: StepRegistry.shipped
        )
    }

    private var isUpgrade: Bool { runbook == "rolling-upgrade" }

    var cluster: Cluster { ShippedWorld.cluster(masters: masters, workers: isUpgrade ? 2 : 0) }

    /// A world as the runbook is for.
    func world(_ cluster: Cluster, on image: [String: Data] = [:]) throws -> ShippedWorld {
        let world = try ShippedWorld(cluster, on: image, upgrades: isUpgrade)
        if runbook == "etcd-member-remove" { world.lose("master2") }
        if runbook == "etcd-restore" { world.etcd.change { $0.mayStop = true } }
        return world
    }

    /// The runbook's matrix, and its undisturbed run; made once in a process.
    func prepared() async throws -> Prepared {
        let task = Self.known.withLock { known in
            if let task = known[self] { return task }
            let task = Task { try await prepare() }
            known[self] = task
            return task
        }
        return try await task.value
    }

    typealias Prepared = (matrix: CrashMatrix, whole: CrashMatrix.Undisturbed)

    private static let known = Mutex<[ShippedRunbookCase: Task<Prepared, any Error>]>([:])

    private func prepare() async throws -> Prepared {
        let cluster = cluster
        let image = try await lastNight(cluster)
        let matrix = CrashMatrix(try await plan(in: try world(cluster, on: image)), isOwned: true) {
            try world(cluster, on: image)
        }
        return (matrix, try await matrix.undisturbed())
    }

    func plan(in world: ShippedWorld) async throws -> Plan {
        let text = ShippedRunbooks.all[runbook] ?? []
        let loaded = try RunbookLoader.load(text, path: "\(runbook).yaml", catalogue: StepRegistry.shipped)
        return try await world.trial.plan(
            loaded,
            inputs: Self.inputs(of: runbook, member: "master2", confirm: world.trial.cluster.id.text),
            views: ShippedWorld.views
        )
    }

    /// What a nightly backup leaves on the controller.
    func lastNight(_ cluster: Cluster) async throws -> [String: Data] {
        let world = try ShippedWorld(cluster, at: UTCMoment(seconds: ShippedWorld.today.seconds - 86400))
        let plan = try await ShippedRunbookCase(runbook: "nightly-backup", masters: masters).plan(in: world)
        let ending = try await world.trial.execute(
            plan,
            on: try world.trial.foldJournal(for: plan),
            services: try world.services()
        )
        guard ending.exitCode == .done else { throw OperatorMessage(.fault, "\(ending.problems)") }
        return try world.disk.image()
    }
}
