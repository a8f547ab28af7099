import BackupStore
import ClusterModel
import ClusterSteps
import Foundation
import Manifests
import RemoteShell
import RunEngine
import ShippedRunbooks
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Objects of Kubernetes in a backup")
struct CollectResourcesTests {
    private static let kubectl = """
        case "$*" in
        *api-resources*)
            printf 'pods\\nsecrets\\nevents\\ndeployments.apps\\nwidgets.example.com\\nevents.events.k8s.io\\nnodes.metrics.k8s.io\\n'
            echo 'E1120 23:02:39.690196    2334 memcache.go:265] couldnt get resource list' >&2
            echo 'error: unable to retrieve the complete list of server APIs: custom.metrics.k8s.io/v1' >&2
            exit 1 ;;
        *'get widgets'*) echo 'Error from server: conversion webhook failed' >&2; exit 1 ;;
        *' get '*' --all-namespaces --output=json') echo '{"kind":"List"}' ;;
        *) echo "$*" >&2; exit 9 ;;
        esac
        """

    private func listing(
        _ secrets: String,
        kubectl: String = kubectl
    ) async throws -> (result: CommandResult, left: [String]) {
        let tree = try HostTree(try #require(HostName("master1")))
        defer { tree.remove() }
        try tree.write("/var/lib/rollbook-host/operations/x", "")
        try tree.program("kubectl", kubectl)
        let cluster = Cluster.sample()
        let api = KubernetesAPI(on: cluster.hosts[0], in: cluster)
        let result = try await tree.connection.run(
            api.command(CollectResources.script, with: ["20261120T221302Z-9f3a12c4", secrets])
        )
        let left = try FileManager.default.contentsOfDirectory(atPath: tree.root + "/var/lib/rollbook-host")
        return (result, left)
    }

    /// The names in a tar archive: at the head of each block that is followed by `ustar`.
    private func names(_ bytes: [UInt8]) -> [String] {
        stride(from: 0, to: bytes.count - 511, by: 512).compactMap { start in
            guard bytes[start + 257..<start + 262].elementsEqual("ustar".utf8) else { return nil }
            return String(decoding: bytes[start..<start + 100].prefix { $0 != 0 }, as: UTF8.self)
        }.filter { !$0.hasSuffix("/") }.sorted()
    }

    @Test(
        "every kind is a file, but for events, measurements and Secrets; what cannot be listed is told; nothing is left"
    )
    func everyKind() async throws {
        let (result, left) = try await listing("without-secrets")
        #expect(result.succeeded, "\(result.errorOutput.text)")
        #expect(names(result.output.bytes) == ["resources/apps/deployments.json", "resources/core/pods.json"])
        #expect(
            CollectResources.missing(result.errorOutput.text) == [
                CollectResources.MissingKind(
                    name: "api-resources",
                    why: "error: unable to retrieve the complete list of server APIs: custom.metrics.k8s.io/v1"
                ),
                CollectResources.MissingKind(
                    name: "widgets.example.com",
                    why: "Error from server: conversion webhook failed"
                ),
            ]
        )
        #expect(left == ["operations"])
        let sealed = try await listing("with-secrets").result
        #expect(names(sealed.output.bytes).contains("resources/core/secrets.json"))
    }

    @Test("an API that lists nothing is a failure with its words, and leaves nothing behind")
    func nothing() async throws {
        let (result, left) = try await listing("without-secrets", kubectl: "echo 'error: no way' >&2; exit 1")
        #expect(result.exitCode == 1 && result.output.bytes == [])
        #expect(KubernetesAPI.complaint(result.errorOutput.text) == "error: no way")
        #expect(left == ["operations"])
    }

    private func backup(_ prepare: (ShippedWorld) -> Void = { _ in }) async throws -> (plan: Plan, manifest: Manifest?)
    {
        let world = try ShippedWorld(ShippedWorld.cluster(masters: 3))
        defer { world.close() }
        prepare(world)
        let nightly = String(decoding: ShippedRunbooks.all["nightly-backup"] ?? [], as: UTF8.self)
        let text = nightly.replacing(
            "  - name: Publish",
            with: "  - name: Objects\n    on: controller\n    onFailure: continue\n    steps:\n"
                + "      - uses: kubernetes.resources\n\n  - name: Publish"
        )
        let runbook = try RunbookLoader.load(Array(text.utf8), path: "r.yaml", catalogue: StepRegistry.shipped)
        let plan = try await world.trial.plan(runbook, views: ShippedWorld.views)
        let services = try world.services()
        _ = try await world.trial.execute(plan, on: try world.trial.foldJournal(for: plan), services: services)
        let store = try services.get(BackupWorkspace.self).store
        return (plan, try store.catalogue().sets.first.map { try store.manifest(of: $0.id).manifest })
    }

    @Test("the archive is part of the published set, and a kind that could not be listed leaves it complete")
    func published() async throws {
        let manifest = try #require(try await backup().manifest)
        let archive = try #require(manifest.archives.last)
        #expect(archive.host == nil && archive.kind == .cluster && archive.file.path == "cluster/resources.tar")
        #expect(!archive.entries.isEmpty)
        #expect(manifest.result.kind == .complete)
        #expect(manifest.missing.contains { $0.what == "widgets.example.com" && $0.why == "the webhook failed" })
    }

    @Test("without kubectl there is nothing to do, and the backup is made")
    func withoutKubectl() async throws {
        let (plan, manifest) = try await backup { world in
            for host in world.trial.cluster.hosts(in: .master) {
                let fact = KubernetesClient(world.trial.cluster.paths)
                world.trial.hosts[host.name.text].answers[fact.command] = CommandResult(
                    text: "[missing]\nkubectl\n[end]\n"
                )
            }
        }
        let step = try #require(plan.steps.first { $0.kind == "kubernetes.resources" })
        #expect(step.decision == .noop(reason: "master1 has no kubectl"))
        #expect(manifest?.result.kind == .complete)
    }
}
