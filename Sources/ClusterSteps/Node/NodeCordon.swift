import ClusterModel
import RemoteShell
package import RunEngine

/// Taking a node out of scheduling and back, so that everybody can tell whose cordon it is.
///
/// A cordon of ours and its annotation are one write, made only to the node as it was read: an operator who cordons it at the same
/// moment keeps it.
package enum NodeCordon {
    package enum Outcome: Sendable, Hashable {
        /// Cordoned now, by this run.
        case cordoned
        /// It was before: by the run that is named, or, when that is nil, by somebody else.
        case wasCordoned(by: String?)
    }

    /// Repeatable.
    package static func cordon(_ node: String, in context: StepContext, _ api: KubernetesAPI) async throws -> Outcome {
        let said = try await api.output(of: cordonCommand(node, run: context.run.text, api), in: context)
        let words = said.split(whereSeparator: \.isWhitespace).map(String.init)
        switch words.first {
        case "cordoned": return .cordoned
        case "already": return .wasCordoned(by: words.dropFirst().first)
        default: throw OperatorMessage(.stepFailed, "cordoning \(node) gave no answer")
        }
    }

    package enum Return: Sendable, Hashable {
        case uncordoned
        /// It was schedulable.
        case wasNot
        /// Somebody else's cordon, which stays.
        case kept
    }

    /// Takes a cordon of ours away: of this run only, or of any.
    package static func uncordon(
        _ node: String,
        onlyOwn: Bool,
        in context: StepContext,
        _ api: KubernetesAPI
    ) async throws -> Return {
        let command = uncordonCommand(node, run: onlyOwn ? context.run.text : nil, api)
        let said = try await api.output(of: command, in: context)
        switch said.split(whereSeparator: \.isWhitespace).first {
        case "uncordoned": return .uncordoned
        case "schedulable": return .wasNot
        case "kept": return .kept
        default: throw OperatorMessage(.stepFailed, "uncordoning \(node) gave no answer")
        }
    }

    /// Takes this run's cordon back, wherever that is still possible; for undoing.
    static func takeBack(_ context: StepContext) async throws {
        guard let host = context.target.host else { return }
        let facts = context.lookAgain()
        let api = try await KubernetesAPI.chosen(facts, avoiding: host.name, orItself: true)
        let nodes = try await facts.read(ClusterNodes(api), on: api.master.name)
        // A node that left the cluster has no cordon to take back.
        guard let node = nodes.node(of: host) else { return }
        _ = try await uncordon(node.name, onlyOwn: true, in: context, api)
    }

    static func cordonCommand(_ node: String, run: String, _ api: KubernetesAPI) -> RemoteCommand {
        api.command(look, cordon, with: [node, run])
    }

    /// `run` nil: a cordon of any run.
    static func uncordonCommand(_ node: String, run: String?, _ api: KubernetesAPI) -> RemoteCommand {
        api.command(look, uncordon, with: [node, run ?? ""])
    }

    /// Defines `look`, which sets `version cordoned by`, and `write PATCH`, which ends with 75 when the node was changed meanwhile.
    private static let look: StaticString = #"""
        node=$1; run=$2
        look() {
            seen=$(K get node "$node" -o go-template='{{.metadata.resourceVersion}} {{if .spec.unschedulable}}yes{{else}}no{{end -}}
        {{with .metadata.annotations}}{{with index . "rollbook.io/cordoned-by"}} {{.}}{{end}}{{end}}') || exit 1
            set -- $seen; version=$1 cordoned=$2 by=${3:-}
        }
        write() {
            if said=$(K patch node "$node" --type=merge -p "$1" 2>&1); then return 0; fi
            case $said in *Conflict* | *'has been modified'*) return 75 ;; esac
            printf '%s\n' "$said" >&2; exit 1
        }

        """#

    private static let cordon: StaticString = #"""
        for again in 1 2 3 4 5; do
            look; [ "$cordoned" = no ] || { echo "already $by"; exit 0; }
            write '{"metadata":{"resourceVersion":"'"$version"'","annotations":{"rollbook.io/cordoned-by":"'"$run"'"}},"spec":{"unschedulable":true}}' \
                && { echo cordoned; exit 0; }
        done
        echo 'the node is changed by somebody else all the time' >&2; exit 1
        """#

    /// `$run` empty: a cordon of any run.
    private static let uncordon: StaticString = #"""
        for again in 1 2 3 4 5; do
            look
            [ -n "$by" ] || { [ "$cordoned" = yes ] && echo kept || echo schedulable; exit 0; }
            [ -z "$run" ] || [ "$by" = "$run" ] || { echo kept; exit 0; }
            write '{"metadata":{"resourceVersion":"'"$version"'","annotations":{"rollbook.io/cordoned-by":null}},"spec":{"unschedulable":null}}' \
                && { [ "$cordoned" = yes ] && echo uncordoned || echo schedulable; exit 0; }
        done
        echo 'the node is changed by somebody else all the time' >&2; exit 1
        """#
}

/// What steps on nodes read before they decide.
enum NodeFacts {
    static func requests(_ target: StepTarget) -> [FactRequest] { KubernetesAPI.facts(in: target.cluster) }

    /// The node of the target's host, and the way to its API.
    static func node(
        _ facts: any FactReader,
        _ target: StepTarget,
        orItself: Bool = false
    ) async throws -> (api: KubernetesAPI, node: NodeEntry) {
        guard let host = target.host else { throw StepFault("a step on a node needs a host") }
        let api = try await KubernetesAPI.chosen(facts, avoiding: host.name, orItself: orItself)
        return (api, try await facts.read(ClusterNodes(api), on: api.master.name).entry(of: host))
    }
}
