import BackupStore
import ClusterModel
import ClusterSteps
import Foundation
import Journal
import Manifests
import RemoteShell
import RunEngine
import ShippedRunbooks
import Synchronization
import TestSupport

/// A cluster and a controller on which every shipped runbook can be executed.
final class ShippedWorld: CrashWorld {
    let trial: EngineTrial
    let disk: ControllerDisk
    let etcd: SimulatedEtcd
    let balancers: [String: SimulatedHAProxy]
    /// Kubernetes and its packages, where the runbook is about them.
    let scene: UpgradeScene?
    private let boundary = Mutex<@Sendable () -> Void>({})

    init(
        _ cluster: Cluster,
        at moment: UTCMoment = today,
        on image: [String: Data] = [:],
        upgrades: Bool = false
    ) throws {
        var trial = EngineTrial(cluster, registry: .shipped, time: TestTime(start: moment))
        trial.library = ShippedRunbookCase.library
        self.trial = trial
        disk = try ControllerDisk(image)
        etcd = SimulatedEtcd(cluster)
        let names = cluster.hosts(in: .loadBalancer).map(\.name.text)
        balancers = Dictionary(uniqueKeysWithValues: names.map { ($0, SimulatedHAProxy(cluster)) })
        scene = upgrades ? UpgradeScene(cluster, time: trial.time, etcd, balancers) : nil
        ShippedHosts.prepare(trial, etcd, balancers, scene)
    }

    /// A host is gone for good, and its etcd with it.
    func lose(_ host: String) {
        trial.hosts[host].isUp = false
        etcd.change { state in
            for index in state.sites.indices where state.sites[index].name == host { state.sites[index].isLost = true }
        }
    }

    static let today = UTCMoment(seconds: 1_795_212_800)

    /// A cluster that keeps one backup, so that every night removes one.
    static func cluster(masters: Int, workers: Int = 0) -> Cluster {
        let sample = Cluster.sample(masters: masters, workers: workers, loadBalancers: 1)
        var policy = BackupPolicy()
        policy.retention.last = 1
        (policy.retention.daily, policy.retention.weekly, policy.retention.monthly) = (0, 0, 0)
        policy.retention.minGood = 1
        return Cluster(id: sample.id, vip: workers > 0 ? "10.0.9.1" : nil, backup: policy, hosts: sample.hosts)
    }

    func services() throws -> StepServices {
        var services = Self.views
        services.add(
            BackupWorkspace(store: try store(), tools: .standard, checker: RecordedSnapshotChecker(), controller: "ops")
        )
        services.add(CannedRestoreSource(cluster: trial.cluster.id) as any RestoreSource)
        return services
    }

    static var views: StepServices {
        var views = StepServices()
        views.add(CannedOutlook() as any BackupOutlook)
        if let canned = try? CannedRestore(of: Cluster.sample().id) { views.add(canned as any RestoreOutlook) }
        return views
    }

    private func store() throws -> BackupStore {
        try BackupStore(root: disk.root, cluster: trial.cluster.id) { [weak self] _ in
            self?.boundary.withLock { $0 }()
        }
    }

    func watchBoundaries(_ watch: @escaping @Sendable () -> Void) { boundary.withLock { $0 = watch } }

    /// Lets go of what the last session left to be called, which holds this world.
    func close() {
        watchBoundaries {}
        trial.hosts.inject { _ in nil }
        disk.remove()
    }

    func processDied() { disk.cutOff() }

    func endState() throws -> [String] {
        let mended = trial.cluster.hosts.flatMap { host in
            trial.hosts[host.name.text].values.map { "\(host.name): \($0.key)=\($0.value)" }.sorted()
        }
        let upgraded = scene?.lines(trial) ?? []
        return try mended + etcd.lines() + upgraded + balancerLines() + leftovers() + storeLines()
    }

    func nextPlan(after plan: Plan, by trial: EngineTrial) async throws -> Plan {
        let text = ShippedRunbooks.all[plan.runbook] ?? []
        let runbook = try RunbookLoader.load(text, path: plan.runbook, catalogue: StepRegistry.shipped)
        var trial = trial
        trial.library = ShippedRunbookCase.library
        return try await trial.plan(runbook, inputs: plan.inputs, views: Self.views)
    }

    /// What any host holds besides what it had at first.
    func leftovers() -> [String] {
        trial.cluster.hosts.flatMap { host in
            let state = trial.hosts[host.name.text]
            return state.files.keys.sorted().map { "\(host.name): \($0) is left" }
                + state.operations.keys.sorted().map { "\(host.name): operation \($0) is left" }
                + (state.owner.isEmpty ? [] : ["\(host.name): is owned"])
        } + (scene?.leftovers(trial) ?? [])
    }

    private func balancerLines() -> [String] {
        balancers.sorted { $0.key < $1.key }.flatMap { name, proxy in
            proxy.now.servers.map { server in
                "\(name): \(server.name) \(server.admin == 0 ? "serves" : "is away")"
                    + (server.heldBy == nil ? "" : ", and its note is left")
            }
        }
    }

    private func storeLines() throws -> [String] {
        let catalogue = try store().catalogue()
        let sets = catalogue.sets.reversed().flatMap { set in ["set \(set.id)"] + setLines(set.id) }
        return sets + catalogue.problems.map { "problem \($0.name): \($0.what)" }
            + catalogue.staging.map { "staging \($0)" } + catalogue.trash.map { "trash \($0)" }
            + catalogue.bad.map { "bad \($0)" } + catalogue.quarantined.map { "quarantined \($0)" }
    }

    /// The files of a set by content; of the present run's manifest all that does not tell the time.
    private func setLines(_ id: BackupID) -> [String] {
        let folder = "\(disk.root)/\(trial.cluster.id)/\(id)"
        return ControllerDisk.files(below: folder).flatMap { path -> [String] in
            guard let data = try? ControllerDisk.contents(of: "\(folder)/\(path)") else {
                return ["\(id)/\(path): gone"]
            }
            guard id.text == trial.run.text, path == Manifest.fileName || path == "SHA256SUMS" else {
                return ["\(id)/\(path): \(FileDigest(of: [UInt8](data)).sha256)"]
            }
            guard path == Manifest.fileName else { return [] }
            guard let value = try? JSONDecoder().decode(JSONValue.self, from: data), case .object(let members) = value
            else { return ["\(id)/\(path): damaged"] }
            return members.filter { !["started", "published", "verification"].contains($0.key) }
                .map {
                    "\(id)/\(path): \($0.key) \(String(decoding: CanonicalJSON.bytes(of: $0.value), as: UTF8.self))"
                }
                .sorted()
        }
    }

    func claim() throws -> [String]? {
        let id = try BackupID(trial.run)
        guard try store().catalogue().sets.contains(where: { $0.id == id && $0.isGood }) else { return nil }
        return ["set \(id)"] + setLines(id)
    }

    /// The set has every file, and either its manifest says what etcd lacked meanwhile (such a set makes no room by
    /// retention), or only the cluster's identity could not be read.
    func tells(differenceFrom endState: [String]) throws -> Bool {
        let id = try BackupID(trial.run)
        guard leftovers().isEmpty, let set = try store().catalogue().sets.first(where: { $0.id == id }) else {
            return false
        }
        let manifest = "\(id)/\(Manifest.fileName): "
        let found = Set(setLines(id))
        let lost = endState.filter { $0.hasPrefix("\(id)/") && !found.contains($0) }
        return set.result == .degraded
            ? lost.allSatisfy { $0.hasPrefix(manifest) } : lost.allSatisfy { $0.hasPrefix(manifest + "identity ") }
    }
}
