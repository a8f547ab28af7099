import ClusterModel
import Foundation
import RunEngine
import Testing

@testable import Manifests

@Suite("Documents")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func keys(documentedIn path: String) throws -> [String] {
        let text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
        return text.split(separator: "\n").filter { $0.hasPrefix("| `") }.compactMap {
            $0.split(separator: "`", maxSplits: 2).dropFirst().first.map(String.init)
        }
    }

    @Test("the example inventory is valid, without a warning")
    func example() throws {
        let bytes = try [UInt8](Data(contentsOf: Self.root.appending(path: "Inventory/example.yaml")))
        let inventory = try InventoryLoader.load(bytes, path: "Inventory/example.yaml", context: .sample)
        #expect(inventory.warnings.isEmpty)
        let counts = Role.allCases.map { role in inventory.cluster.hosts.count { $0.role == role } }
        #expect(counts == [3, 3, 2, 0])
        #expect(inventory.cluster.vip == "10.1.1.100")
        #expect(
            inventory.cluster.hosts.first?.ssh.identities == [
                .file(path: "/home/op/.ssh/id_ed25519", passphraseFile: nil)
            ]
        )
    }

    @Test("the values the example spells out are the defaults, except where it says otherwise")
    func exampleDefaults() throws {
        let bytes = try [UInt8](Data(contentsOf: Self.root.appending(path: "Inventory/example.yaml")))
        let cluster = try InventoryLoader.load(bytes, path: "Inventory/example.yaml", context: .sample).cluster
        #expect(cluster.backup == BackupPolicy())
        #expect(cluster.paths == ClusterPaths())
        #expect(cluster.apiPort == 6443)
    }

    @Test("the inventory specification names exactly the keys of the schema")
    func inventoryKeys() throws {
        let sections = [
            InventorySchema.cluster, InventorySchema.ssh, InventorySchema.paths, InventorySchema.backup,
            InventorySchema.notify, InventorySchema.webhook, InventorySchema.command, InventorySchema.ping,
        ]
        let hosts = InventorySchema.host + [InventorySchema.hostKeyAlias]
        let known = (InventorySchema.top + hosts + InventorySchema.check).map(\.key) + sections.flatMap(leaves)
        #expect(Set(try keys(documentedIn: "Inventory/README.md")) == Set(known))
    }

    @Test("the runbook specification names exactly the keys of the schema")
    func runbookKeys() throws {
        let fields =
            RunbookSchema.top(catalogue: SampleKinds()) + RunbookSchema.input
            + RunbookSchema.stage(catalogue: SampleKinds())
        #expect(Set(try keys(documentedIn: "Runbooks/README.md")) == Set(fields.map(\.key) + ["uses", "with"]))
    }

    /// An unknown key that is like no other is answered with the known ones.
    @Test(
        "the loader reads exactly the keys of the schema",
        arguments: [
            ("zzzzzzzzz: 1", InventorySchema.top), ("cluster: { zzzzzzzzz: 1 }", InventorySchema.cluster),
            ("ssh: { zzzzzzzzz: 1 }", InventorySchema.ssh), ("paths: { zzzzzzzzz: 1 }", InventorySchema.paths),
            ("backup: { zzzzzzzzz: 1 }", InventorySchema.backup), ("notify: { zzzzzzzzz: 1 }", InventorySchema.notify),
            ("notify: { webhooks: [{ zzzzzzzzz: 1 }] }", InventorySchema.webhook),
            ("notify: { commands: [{ zzzzzzzzz: 1 }] }", InventorySchema.command),
            ("notify: { pings: [{ zzzzzzzzz: 1 }] }", InventorySchema.ping),
            ("masters: [{ zzzzzzzzz: 1 }]", InventorySchema.host),
            ("masters: [{ ssh: { zzzzzzzzz: 1 } }]", InventorySchema.ssh + [InventorySchema.hostKeyAlias]),
        ]
    )
    func loaderKeys(_ text: String, _ fields: [SchemaField]) {
        #expect(knownKeys(describe(inventory: Array("format: 1\n\(text)\n".utf8), path: "x")) == Set(fields.map(\.key)))
    }

    @Test("the runbook loader reads exactly the keys of the schema")
    func runbookLoaderKeys() {
        func known(_ text: String) -> Set<String> {
            knownKeys(describe(runbook: Array("format: 1\n\(text)\n".utf8), path: "x"))
        }
        let kinds = SampleKinds()
        #expect(known("zzzzzzzzz: 1") == Set(RunbookSchema.top(catalogue: kinds).map(\.key)))
        #expect(known("stages: [{ zzzzzzzzz: 1 }]") == Set(RunbookSchema.stage(catalogue: kinds).map(\.key)))
        #expect(known("inputs: { a: { zzzzzzzzz: 1 } }") == Set(RunbookSchema.input.map(\.key)))
        #expect(known("stages: [{ steps: [{ zzzzzzzzz: 1 }] }]") == ["uses", "with"])
    }

    @Test("the schemas are JSON objects that refuse unknown keys, with the kinds in the runbook's")
    func schemas() throws {
        let inventory = try #require(ManifestSchemas.inventory["properties"]?.objectValue)
        #expect(inventory["masters"]?["items"]?["additionalProperties"] == .bool(false))
        #expect(
            ManifestSchemas.inventory["required"]?.arrayValue?.compactMap(\.stringValue) == [
                "format", "cluster", "masters",
            ]
        )
        let text = String(
            decoding: try JSONEncoder().encode(ManifestSchemas.runbook(catalogue: SampleKinds())),
            as: UTF8.self
        )
        for kind in ["node.drain", "shell.run", "etcd.quorum"] { #expect(text.contains("\"\(kind)\"")) }
    }

    private func leaves(_ fields: [SchemaField]) -> [String] {
        fields.flatMap { field in
            if case .mapping(let inner) = field.shape {
                leaves(inner).map { "\(field.key).\($0)" }
            } else {
                [field.key]
            }
        }
    }

    private func knownKeys(_ rendered: String) -> Set<String> {
        let lines = rendered.split(separator: "\n")
        guard let error = lines.firstIndex(where: { $0.contains("unknown key 'zzzzzzzzz'") }),
            let answer = lines[error...].first(where: { $0.contains("known here: ") })
        else { return [] }
        let list = answer.split(separator: "known here: ").last ?? ""
        return Set(list.split(separator: ", ").map(String.init))
    }
}
