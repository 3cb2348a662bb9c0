import LocalMesh
import Testing

@Suite struct ExpansionTests {
    @Test(arguments: [
        ("--port=$(PORT)", "--port=9080"), ("$(UNKNOWN)", "$(UNKNOWN)"), ("$$(PORT)", "$(PORT)"), ("a$", "a$"),
        ("$(PORT", "$(PORT"), ("$(A)$(PORT)", "x9080"), ("$PORT", "$PORT"),
    ])
    func kubernetesReferencesAreReplaced(text: String, expected: String) {
        #expect(EnvironmentExpansion.kubernetes(text, ["PORT": "9080", "A": "x"]) == expected)
    }

    @Test(arguments: [
        ("--name=${NAME}", "--name=reviews"), ("${X:-none}", "none"), ("${EMPTY:-none}", "none"),
        ("$${NAME}", "${NAME}"),
        ("a$b", "a$b"), ("${NAME:-none}", "reviews"),
    ])
    func imageMapNamesAreReplaced(text: String, expected: String) throws {
        #expect(try EnvironmentExpansion.imageMap(text, ["NAME": "reviews", "EMPTY": ""]) == expected)
    }

    @Test func anUnknownNameInTheImageMapIsAnErrorThatListsTheKnown() {
        let error = #expect(throws: LocalMeshError.self) { try EnvironmentExpansion.imageMap("${NAM}", ["NAME": "x"]) }
        #expect(error?.description == "the variable ${NAM} is not known; known are NAME")
    }
}

@Suite struct ContainerCommandTests {
    private func surroundings(runnable: Set<String> = ["/bin/app"], images: ImageMap = ImageMap())
        -> ContainerCommand.Surroundings
    {
        ContainerCommand.Surroundings(
            data: { source, namespace in
                guard namespace == "shop" else { return nil }
                return ["ConfigMap/settings": ["color": "red", "size": "7"], "Secret/key": ["token": "s3cret"]][
                    "\(source.kind)/\(source.name)"]
            },
            isRunnable: { runnable.contains($0) },
            images: images,
            base: [EnvironmentVariable("PATH", "/bin")]
        )
    }

    private func template(_ container: PodTemplate.Container) -> PodTemplate {
        var template = PodTemplate(namespace: "shop", workload: "cart-v1", labels: ["app": "cart", "version": "v2"])
        template.serviceAccount = "cart"
        template.containers = [container]
        return template
    }

    private func command(
        _ container: PodTemplate.Container,
        _ surroundings: ContainerCommand.Surroundings
    ) throws -> ContainerCommand {
        try ContainerCommand(
            container,
            template: template(container),
            pod: ContainerCommand.Pod(name: "cart-v1-0", address: "10.244.0.9"),
            in: surroundings
        )
    }

    @Test func commandArgumentsAndEnvironmentSpeakOfThePod() throws {
        let container = PodTemplate.Container(
            name: "cart",
            command: ["/bin/app"],
            arguments: ["--ip=$(IP)", "--color=$(COLOR)"],
            environment: [
                .all(prefix: "CFG_", source: .init(kind: "ConfigMap", name: "settings"), optional: false),
                .field(name: "IP", path: "status.podIP"),
                .field(name: "APP", path: "metadata.labels['app']"),
                .field(name: "SA", path: "spec.serviceAccountName"),
                .key(name: "COLOR", source: .init(kind: "ConfigMap", name: "settings"), key: "color", optional: false),
                .key(name: "TOKEN", source: .init(kind: "Secret", name: "key"), key: "token", optional: false),
                .key(name: "NONE", source: .init(kind: "Secret", name: "none"), key: "token", optional: true),
                .value(name: "BOTH", value: "$(APP)/$(COLOR)"),
            ]
        )
        let command = try command(container, surroundings())
        #expect(command.words == ["/bin/app", "--ip=10.244.0.9", "--color=red"])
        let values = Dictionary(uniqueKeysWithValues: command.environment.map { ($0.name, $0.value) })
        #expect(
            values == [
                "PATH": "/bin", "HOSTNAME": "cart-v1-0", "CFG_color": "red", "CFG_size": "7", "IP": "10.244.0.9",
                "APP": "cart", "SA": "cart", "COLOR": "red", "TOKEN": "s3cret", "BOTH": "cart/red",
            ]
        )
    }

    @Test func aMissingConfigMapNamesThePodThatWantsIt() {
        let container = PodTemplate.Container(
            name: "cart",
            command: ["/bin/app"],
            environment: [.key(name: "X", source: .init(kind: "ConfigMap", name: "none"), key: "k", optional: false)]
        )
        let error = #expect(throws: LocalMeshError.self) { try command(container, surroundings()) }
        #expect(error?.description == "shop/cart-v1-0 container cart: ConfigMap 'none' with key 'k' does not exist")
    }

    @Test func aContainerWithoutCommandRunsWhatTheImageMapSays() throws {
        let images = ImageMap(entries: [
            .init(image: "registry.example.com/", command: ["other"]),
            .init(
                image: "registry.example.com/cart",
                command: ["martlet", "example-service", "--name=${NAME}", "--version=${VERSION}", "--port=${PORT}"],
                environment: [EnvironmentVariable("WHO", "${POD_NAME}@${POD_IP}")]
            ),
        ])
        let container = PodTemplate.Container(
            name: "main",
            image: "registry.example.com/cart:1.2",
            arguments: ["--more"],
            ports: [.init(name: "http", number: 9080, protocol: "TCP")]
        )
        let command = try command(container, surroundings(images: images))
        #expect(
            command.words == ["martlet", "example-service", "--name=cart", "--version=v2", "--port=9080", "--more"])
        #expect(command.environment.contains(EnvironmentVariable("WHO", "cart-v1-0@10.244.0.9")))
    }

    @Test func aContainerThatCannotRunNamesItsImageAndTheWayOut() {
        let container = PodTemplate.Container(name: "main", image: "example/none:1", command: ["/absent"])
        let error = #expect(throws: LocalMeshError.self) { try command(container, surroundings()) }
        #expect(error?.description.contains("add an entry for image 'example/none:1' to a --local file") == true)
    }
}
