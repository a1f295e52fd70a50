// Reads manifests as Go clients do: image-spec's types, decoded by encoding/json. One base64 line in, one JSON line out.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
)

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	Platform     *platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// The answer: what a client would fetch, by digest. Refused holds the decoder's error.
type answer struct {
	Refused string   `json:"refused"`
	Digests []string `json:"digests"`
	Subject string   `json:"subject"`
}

func digests(list ...descriptor) []string {
	found := []string{}
	for _, each := range list {
		found = append(found, each.Digest)
	}
	return found
}

func subject(found *descriptor) string {
	if found == nil {
		return ""
	}
	return found.Digest
}

func readManifest(content []byte) answer {
	var read manifest
	if err := json.Unmarshal(content, &read); err != nil {
		return answer{Refused: err.Error()}
	}
	return answer{Digests: digests(append([]descriptor{read.Config}, read.Layers...)...), Subject: subject(read.Subject)}
}

func readIndex(content []byte) answer {
	var read index
	if err := json.Unmarshal(content, &read); err != nil {
		return answer{Refused: err.Error()}
	}
	return answer{Digests: digests(read.Manifests...), Subject: subject(read.Subject)}
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	write := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		content, err := base64.StdEncoding.DecodeString(line[1 : len(line)-1])
		if err != nil {
			panic(err)
		}
		if line[0] == 'i' {
			err = write.Encode(readIndex(content))
		} else {
			err = write.Encode(readManifest(content))
		}
		if err != nil {
			panic(err)
		}
	}
}
