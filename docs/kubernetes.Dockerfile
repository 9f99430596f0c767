# The image of docs/kubernetes-job.yaml: smolsh and the scenarios.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /smolsh ./cmd/smolsh

FROM scratch
COPY --from=build /smolsh /usr/local/bin/smolsh
COPY examples/scenarios /scenarios
ENV PATH=/usr/local/bin
