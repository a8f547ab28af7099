import BackupStore
import ClusterModel
import Foundation
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// What planning sees of the controller, as a case says it.
struct CannedOutlook: BackupOutlook {
    var refusal: String?
    var decision = RetentionDecision.nothing
    let location = "/var/lib/rollbook/backups/sample"

    func obstacle(databaseBytes: [Int64]) async -> OperatorMessage? { refusal.map { OperatorMessage(.storage, $0) } }
    func retention() throws -> RetentionDecision { decision }
}

@Suite("Decisions of steps")
struct StepFixtureTests {
    /// One case: a step, the hosts' facts, and what is special about the cluster.
    struct Case: Decodable {
        let uses: String
        let on: String
        let with: [String: JSONValue]?
        /// Case names of facts by host and fact.
        let facts: [String: [String: String]]
        let down: [String]?
        let snapshotFrom: BackupPolicy.SnapshotSource?
        let obstacle: String?
        /// What the inventory wants of checks.
        let preflight: [CheckName: CheckPolicy]?
        let vip: String?
        /// What is special about the backup that is to be restored; see `CannedRestore`.
        let backup: String?
    }

    static let cases = Fixtures.names(in: "steps").filter { $0.hasSuffix(".json") && !$0.hasSuffix(".expected.json") }

    @Test("the folder has its cases")
    func folderIsFound() { #expect(Self.cases.count >= 14) }

    @Test("facts give exactly the expected decisions", arguments: cases)
    func matches(file: String) async throws {
        let bytes = try #require(Fixtures.bytes("steps/\(file)"))
        let item = try JSONDecoder().decode(Case.self, from: Data(bytes))
        let sample = Cluster.sample(workers: 1)
        var backup = BackupPolicy()
        backup.snapshotFrom = item.snapshotFrom ?? .all
        let trial = EngineTrial(
            Cluster(id: sample.id, vip: item.vip, backup: backup, preflight: item.preflight, hosts: sample.hosts),
            registry: .shipped
        )
        for (host, facts) in item.facts {
            for (fact, name) in facts {
                let paths = sample.paths
                switch fact {
                case EtcdStatus.name:
                    trial.answer(EtcdStatus(pki: paths.pki), with: name, on: host, movingTo: "10.0.1.")
                case EtcdInstallation.name:
                    trial.answer(EtcdInstallation(paths: paths), with: name, on: host, movingTo: "10.0.1.")
                case CertificateAuthority.name: trial.answer(CertificateAuthority(pki: paths.pki), with: name, on: host)
                case CollectableFiles.name:
                    for kind in CollectableFiles.Kind.allCases {
                        trial.answer(CollectableFiles(kind: kind, paths: paths), with: name, on: host)
                    }
                default:
                    let known = try #require(Fixtures.fact(fact, about: host, in: trial.cluster), "\(fact)")
                    trial.answer(known, with: name, on: host)
                }
            }
        }
        for host in item.down ?? [] { trial.hosts[host].isUp = false }
        var views = StepServices()
        views.add(CannedOutlook(refusal: item.obstacle) as any BackupOutlook)
        views.add(try CannedRestore(of: sample.id, item.backup ?? "") as any RestoreOutlook)
        views.add(CannedHistory() as any DatabaseHistory)
        let call = StepCall(
            kind: item.uses,
            parameters: item.with ?? [:],
            location: SourceLocation(file: file, line: 1, column: 1)
        )
        let plan = try await trial.plan(.toy([.toy(on: item.on, [call])]), views: views)
        struct Decided: Encodable {
            let host: String
            let decision: PlannedStep.Outlook
            let reliesOn: [String]
        }
        let decided = plan.steps.map { step in
            Decided(
                host: step.host.text,
                decision: step.decision,
                reliesOn: step.preconditions.map { "\($0.fact) of \($0.host)" }
            )
        }
        let name = file.replacing(".json", with: ".expected.json")
        let golden = GoldenFile(Fixtures.folder.appending(path: "steps/\(name)"))
        let difference = try golden.difference(from: try Fixtures.json(decided))
        #expect(difference == nil)
        #expect(trial.hosts.sentOnlyReads)
    }
}
