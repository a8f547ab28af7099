import ClusterModel
import ClusterSteps
import Foundation
import RunEngine
import Testing

@testable import Manifests

@Suite("JSON Schemas")
struct SchemaTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let runbook = ManifestSchemas.runbook(catalogue: StepRegistry.shipped)

    private static func files(_ folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)) ?? []
        return names.filter { $0.hasSuffix(".yaml") }.sorted().map { "\(folder)/\($0)" }
    }

    private func value(_ text: [UInt8], _ path: String) throws -> JSONValue {
        let source = SourceText(text, path: path)
        return try #require(YAMLTree.read(source, log: ProblemLog(source))).json
    }

    private func problems(_ text: String, _ schema: JSONValue) throws -> [String] {
        try SchemaChecker().problems(of: try value(Array(text.utf8), "test.yaml"), with: schema)
    }

    @Test("the folders have their files")
    func foldersAreFound() { #expect(Self.files("Runbooks").count >= 6 && Self.files("Inventory").count >= 2) }

    @Test(
        "every runbook and inventory of the repository fits its schema",
        arguments: files("Runbooks") + files("Inventory")
    )
    func repository(path: String) throws {
        let bytes = try [UInt8](Data(contentsOf: Self.root.appending(path: path)))
        let schema = path.hasPrefix("Runbooks") ? Self.runbook : ManifestSchemas.inventory
        #expect(try SchemaChecker().problems(of: value(bytes, path), with: schema) == [])
    }

    @Test("the tutorial's runbooks fit the schema, and load")
    func tutorial() throws {
        let text = try String(contentsOf: Self.root.appending(path: "Docs/Tutorial.md"), encoding: .utf8)
        let blocks = text.split(separator: "\n```").filter { $0.hasPrefix("yaml ") }
        #expect(!blocks.isEmpty)
        for block in blocks {
            let (head, body) = (block.prefix { $0 != "\n" }, block.drop { $0 != "\n" }.dropFirst() + "\n")
            #expect(try problems(String(body), Self.runbook) == [], "\(head)")
            let name = String(head.split(separator: " ").last ?? "")
            _ = try RunbookLoader.load(Array(body.utf8), path: name, catalogue: StepRegistry.shipped)
        }
    }

    @Test("an inventory that loads fits the schema", arguments: FixtureFolder("inventory").cases)
    func loads(name: String) throws {
        let bytes = try FixtureFolder("inventory").input(name)
        guard (try? InventoryLoader.load(bytes, path: "\(name).yaml", context: .sample)) != nil else { return }
        let found = try SchemaChecker().problems(of: value(bytes, name), with: ManifestSchemas.inventory)
        #expect(found == [])
    }

    private static let book = """
        format: 1
        runbook: one
        summary: One step.
        stages:
          - name: A
            on: workers
            steps:
              - uses: file.put
                with: { path: /etc/a, content: x }

        """

    @Test(
        "mistakes of a person who writes a runbook are found",
        arguments: [
            ("format: 1", "format: 2"), ("format: 1", "format: \"1\""), ("on: workers", "on: 3"),
            ("on: workers", "no: workers"), ("uses: file.put", "uses: file.putt"), ("content: x", "contents: x"),
            ("path: /etc/a, ", ""), ("name: A", "name: [A]"), ("summary: One step.", "title: One step."),
            ("on: workers", "on: workers\n    serial: 0"), ("on: workers", "on: workers\n    serial: 120%"),
            ("on: workers", "on: workers\n    parallel: many"), ("on: workers", "on: workers\n    onFailure: stop"),
            ("content: x", "content: x, secret: maybe"), ("runbook: one", "runbook: One Two"),
            ("stages:", "inputs: { a: { type: number } }\nstages:"), ("    steps:", "    step:"),
            ("on: workers", "on: workers\n    gate: [file.put]"),
            ("on: workers", "on: workers\n    gate: [etcd.helthy]"),
        ]
    )
    func mistakes(right: String, wrong: String) throws {
        #expect(try problems(Self.book, Self.runbook) == [])
        let text = Self.book.replacing(right, with: wrong)
        #expect(text != Self.book)
        #expect(try !problems(text, Self.runbook).isEmpty)
    }

    @Test(
        "mistakes of a person who writes an inventory are found",
        arguments: [
            ("apiPort: 6443", "apiPort: 66443"), ("apiPort: 6443", "apiPort: \"6443\""), ("masters:", "master:"),
            ("address: 10.0.0.1", "adress: 10.0.0.1"), ("id: lab", "id: The Lab"), ("user: root", "user: [root]"),
            ("become: none", "become: su"), ("interval: 24h", "interval: 24"), ("daily: 7", "daily: -1"),
        ]
    )
    func inventoryMistakes(right: String, wrong: String) throws {
        let good = """
            format: 1
            cluster: { id: lab, apiPort: 6443 }
            ssh: { user: root, become: none }
            masters:
              - { name: m1, address: 10.0.0.1 }
            backup: { interval: 24h, retention: { daily: 7 } }

            """
        #expect(try problems(good, ManifestSchemas.inventory) == [])
        let text = good.replacing(right, with: wrong)
        #expect(text != good)
        #expect(try !problems(text, ManifestSchemas.inventory).isEmpty)
    }
}
